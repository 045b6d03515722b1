// SPDX-License-Identifier: MIT
// What check_assembly.py looks at: each function is one multiply-add of packs.
#include <leyden/core/pack.hpp>

using namespace leyden;
using P = Pack<double>;
using D = Pack<Dual<double>>;
using F = Pack<float>;

extern "C" {
void real_fma(P* a, const P* b, const P* c) { *a = fma(*b, *c, *a); }
void real_fnma(P* a, const P* b, const P* c) { *a = fnma(*b, *c, *a); }
void float_fma(F* a, const F* b, const F* c) { *a = fma(*b, *c, *a); }
void dual_fma(D* a, const D* b, const D* c) { *a = fma(*b, *c, *a); }
void real_times_dual_fma(D* a, const P* b, const D* c) { *a = fma(*b, *c, *a); }
void dual_product(D* a, const D* b, const D* c) { *a = *b * *c; }
}
