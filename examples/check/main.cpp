// CTEST: ../report/ctest_train/models/seed1.safetensors data/silica_vacancy.xyz --steps 50
// AFTER: train
// MODELS
// SPDX-License-Identifier: MIT
// Checks a trained model on a structure of your own:
//   check MODEL.safetensors STRUCTURE.xyz [--frame N] [--steps N]
// The file's self test, forces and stress against finite differences, symmetries, and the drift of
// the energy in dynamics. Exit code 0 when all hold.
#include <leyden/core/random.hpp>
#include <leyden/io/extxyz.hpp>

#include <cmath>
#include <cstdlib>

#include "../models/console.hpp"
#include "../models/trainable.hpp"

using namespace leyden;
using namespace examples;

namespace {

int failures = 0;

void report(const char* what, double found, double allowed, const char* unit) {
  const bool ok = found <= allowed;  // a NaN fails
  if (!ok) ++failures;
  std::printf("%-6s %-58s %.1e %s (allowed %.0e)\n", ok ? "ok" : "FAILED", what, found, unit,
              allowed);
}

int usage() {
  std::fprintf(stderr, "usage: check MODEL.safetensors STRUCTURE.xyz [--frame N] [--steps N]\n");
  return wrong_use;
}

double largest_difference(const std::vector<Vector3<double>>& a,
                          const std::vector<Vector3<double>>& b) {
  double worst = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, norm(a[i] - b[i]));
  return worst;
}

/// A rotation about (1, 2, 3) by 0.7.
Matrix3<double> rotation() {
  const double n = std::sqrt(14.0), x = 1 / n, y = 2 / n, z = 3 / n, c = std::cos(0.7),
               s = std::sin(0.7), t = 1 - c;
  return {{c + x * x * t, x * y * t - z * s, x * z * t + y * s,  //
           y * x * t + z * s, c + y * y * t, y * z * t - x * s,  //
           z * x * t - y * s, z * y * t + x * s, c + z * z * t}};
}
Vector3<double> rotate(const Matrix3<double>& m, const Vector3<double>& v) {
  Vector3<double> out{};
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b) out[a] += m(a, b) * v[b];
  return out;
}

int run(const std::string& model_path, const std::string& data, std::size_t frame, int steps) {
  const auto model = load_model(model_path, 1);
  const ModelFile file = read_model(model_path);
  const std::vector<Frame> frames = read_extxyz(data);
  if (frame >= frames.size())
    throw InputError(data + " has " + std::to_string(frames.size()) + " frames, counted from 0");
  const Structure structure = frames[frame].structure;
  const std::size_t n = structure.size();
  const auto at = [&](const Structure& s, bool forces = true) {
    std::vector<Frame> one(1);
    one[0].structure = s;
    return model->predict(one, {forces, forces})[0];
  };
  const Prediction p = at(structure);
  double force_scale = 1.0, energy_scale = 1.0 + std::abs(p.energy);
  for (const auto& f : p.forces) force_scale = std::max(force_scale, norm(f));

  if (file.description.self_test) {
    const SelfTest& test = *file.description.self_test;
    const Prediction q = at(test.structure);
    report("self test of the file: energy", std::abs(q.energy - test.energy),
           1e-8 * (1 + std::abs(test.energy)), "eV");
    report("self test of the file: forces", largest_difference(q.forces, test.forces), 1e-6,
           "eV/A");
  }

  // Forces and stress against central differences along random directions.
  RandomStream random(1);
  const double h = 1e-4;
  double worst = 0.0;
  for (int trial = 0; trial < 4; ++trial) {
    Structure up = structure, down = structure;
    double expected = 0.0, length = 0.0;
    for (std::size_t i = 0; i < n; ++i)
      for (int a = 0; a < 3; ++a) {
        const double d = random.normal();
        up.positions[i][a] += h * d;
        down.positions[i][a] -= h * d;
        expected -= p.forces[i][a] * d;
        length += d * d;
      }
    const double slope = (at(up, false).energy - at(down, false).energy) / (2 * h);
    worst = std::max(worst, std::abs(slope - expected) / std::sqrt(length));
  }
  report("forces against finite differences", worst, 1e-5 * force_scale, "eV/A");
  if (structure.cell.all_periodic()) {
    const double volume = std::abs(determinant(structure.cell.vectors));
    worst = 0.0;
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b <= a; ++b) {
        const auto strained = [&](double e) {
          Structure s = structure;
          const auto apply = [&](Vector3<double> v) {
            const Vector3<double> old = v;
            v[a] += 0.5 * e * old[b];
            v[b] += 0.5 * e * old[a];
            return v;
          };
          for (auto& r : s.positions) r = apply(r);
          for (int k = 0; k < 3; ++k) {
            const Vector3<double> row = apply(s.cell.vectors.row(k));
            for (int j = 0; j < 3; ++j) s.cell.vectors(k, j) = row[j];
          }
          return at(s, false).energy;
        };
        const double slope = (strained(h) - strained(-h)) / (2 * h);
        worst = std::max(worst, std::abs(slope / volume - p.stress(a, b)));
      }
    report("stress against finite differences", worst, 1e-5, "eV/A^3");
  }

  // Symmetries.
  Structure moved = structure;
  for (auto& r : moved.positions) r = r + Vector3<double>{{1000.0, -700.0, 300.0}};
  const bool jumps = structure.field_jump[0] || structure.field_jump[1] || structure.field_jump[2];
  const bool fixed_origin = jumps || norm(structure.external_field) > 0.0;
  if (!fixed_origin)
    report("a shift by 1000 A: energy", std::abs(at(moved).energy - p.energy), 1e-8 * energy_scale,
           "eV");
  const Matrix3<double> m = rotation();
  Structure turned = structure;
  for (auto& r : turned.positions) r = rotate(m, r);
  for (int k = 0; k < 3; ++k) {
    const Vector3<double> row = rotate(m, structure.cell.vectors.row(k));
    for (int j = 0; j < 3; ++j) turned.cell.vectors(k, j) = row[j];
  }
  turned.external_field = rotate(m, structure.external_field);
  const Prediction q = at(turned);
  report("a rotation: energy", std::abs(q.energy - p.energy), 1e-7 * energy_scale, "eV");
  std::vector<Vector3<double>> expected;
  for (const auto& f : p.forces) expected.push_back(rotate(m, f));
  report("a rotation: forces", largest_difference(q.forces, expected), 1e-6 * force_scale, "eV/A");
  Structure swapped = structure;
  std::swap(swapped.positions.front(), swapped.positions.back());
  std::swap(swapped.atomic_numbers.front(), swapped.atomic_numbers.back());
  if (!swapped.formal_charges.empty())
    std::swap(swapped.formal_charges.front(), swapped.formal_charges.back());
  report("another order of atoms: energy", std::abs(at(swapped).energy - p.energy),
         1e-8 * energy_scale, "eV");

  // Velocity Verlet at constant energy, from rest at what thermal motion there is in the forces.
  if (steps > 0) {
    // Å²·amu/fs² in eV: 103.6427; masses of twice the protons are near enough.
    constexpr double mass_unit = 103.6427, dt = 0.5;
    std::vector<double> mass;
    for (int z : structure.atomic_numbers) mass.push_back(z == 1 ? 1.0 : 2.0 * z);
    std::vector<Vector3<double>> velocity(n);
    for (std::size_t i = 0; i < n; ++i)
      for (int a = 0; a < 3; ++a)
        velocity[i][a] = std::sqrt(8.617e-5 * 300.0 / (mass[i] * mass_unit)) * random.normal();
    Structure s = structure;
    Prediction now = p;
    const auto total = [&] {
      double e = now.energy;
      for (std::size_t i = 0; i < n; ++i)
        e += 0.5 * mass[i] * mass_unit * dot(velocity[i], velocity[i]);
      return e;
    };
    // Slope of the energy by time, so that oscillation does not count.
    double mean_t = 0.5 * (steps - 1) * dt, along = 0.0, squares = 0.0;
    for (int k = 0; k < steps; ++k) {
      const double t = k * dt - mean_t;
      along += t * total();
      squares += t * t;
      for (int half = 0; half < 2; ++half) {
        for (std::size_t i = 0; i < n; ++i)
          velocity[i] = velocity[i] + now.forces[i] * (0.5 * dt / (mass[i] * mass_unit));
        if (half == 1) break;
        for (std::size_t i = 0; i < n; ++i) s.positions[i] = s.positions[i] + velocity[i] * dt;
        now = at(s);
      }
    }
    report("drift of the energy at 300 K, per atom and ps",
           std::abs(along / squares) * 1000.0 / static_cast<double>(n), 5e-3, "eV");
  }
  std::printf("%s\n", failures == 0 ? "all hold" : "some do not hold");
  return failures == 0 ? done : failed;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> files;
  int frame = 0, steps = 200;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key == "--frame" && i + 1 < argc)
      frame = std::atoi(argv[++i]);
    else if (key == "--steps" && i + 1 < argc)
      steps = std::atoi(argv[++i]);
    else if (key.empty() || key[0] == '-')
      return usage();
    else
      files.push_back(key);
  }
  if (files.size() != 2 || frame < 0 || steps < 0) return usage();
  try {
    return run(files[0], files[1], static_cast<std::size_t>(frame), steps);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "check: %s\n", e.what());
    return failed;
  }
}
