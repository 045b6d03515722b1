// SPDX-License-Identifier: MIT
#include <cstdio>

int packs_sse2();
int packs_avx2();

// Two files of different -march in one program: each must use its own inline functions.
int main() {
  const int sse2 = packs_sse2(), avx2 = packs_avx2();
  if (sse2 == 32 && avx2 == 16) return 0;
  std::printf("64 numbers are 32 packs of SSE2 and 16 of AVX2; found %d and %d\n", sse2, avx2);
  return 1;
}
