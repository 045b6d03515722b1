// SPDX-License-Identifier: MIT
#pragma once

#include "electrostatics_systems.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <unistd.h>

// LAMMPS, when `lmp` is on the path, on point charges in a cubic periodic cell: times and forces.
// Its units are those of 1/r (lj), so that no constant enters.
namespace leyden_bench {

/// What is asked of it: pairs within `cutoff` and kspace_style pppm.
struct LammpsSettings {
  double cutoff = 10.0;    // Å
  double accuracy = 1e-5;  // of kspace_style
  int order = 5;
  const char* derivative = "ik";  // or "ad"
};

class LammpsPeer {
 public:
  static bool installed() { return std::system("command -v lmp >/dev/null 2>&1") == 0; }

  /// Charges must be those of water_charges() with l_max = 0.
  explicit LammpsPeer(const Multipoles& system)
      : atoms_(system.atoms()),
        folder_(std::filesystem::temp_directory_path() /
                ("leyden_lammps_" + std::to_string(getpid()) + "_" + std::to_string(count_++))) {
    std::filesystem::create_directories(folder_);
    std::ofstream data(folder_ / "data");
    data.precision(17);
    data << "charges\n\n" << atoms_ << " atoms\n1 atom types\n\n";
    for (int d = 0; d < 3; ++d) {
      const char axis = static_cast<char>('x' + d);
      data << "0 " << system.geometry.cell(d, d) << ' ' << axis << "lo " << axis << "hi\n";
    }
    data << "\nMasses\n\n1 1.0\n\nAtoms\n\n";
    for (std::size_t i = 0; i < atoms_; ++i) {
      const auto& r = system.geometry.positions[i];
      data << i + 1 << " 1 " << system.p[i] << ' ' << r[0] << ' ' << r[1] << ' ' << r[2] << '\n';
    }
  }
  LammpsPeer(const LammpsPeer&) = delete;
  LammpsPeer& operator=(const LammpsPeer&) = delete;
  ~LammpsPeer() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// −dE/dr [e²/Å²]; none when LAMMPS fails.
  std::vector<leyden::Vector3<double>> forces(const LammpsSettings& settings) const {
    std::vector<leyden::Vector3<double>> out;
    if (!run(settings,
             "run 0\nwrite_dump all custom forces id fx fy fz modify sort id format float %.16g\n"))
      return out;
    std::ifstream file(folder_ / "forces");
    std::string line;
    while (std::getline(file, line) && line.rfind("ITEM: ATOMS", 0) != 0) {
    }
    out.resize(atoms_);
    std::size_t id = 0;
    for (auto& f : out) file >> id >> f[0] >> f[1] >> f[2];
    if (!file) out.clear();
    return out;
  }

  /// CPU seconds of one evaluation: its own wall times, by its own share of the processor.
  struct Times {
    double pair = 0, kspace = 0;
    double whole() const { return pair + kspace; }
  };
  /// Atoms do not move: the list of neighbours is made before the clock starts. The mean of
  /// `steps`; zeros when LAMMPS fails.
  Times times(const LammpsSettings& settings, int steps) const {
    Times out;
    if (!run(settings, "run " + std::to_string(steps) + "\n")) return out;
    std::ifstream file(folder_ / "output");
    std::string line;
    double use = 0, pair = 0, kspace = 0;
    while (std::getline(file, line)) {
      if (const auto at = line.find("% CPU use"); at != std::string::npos)
        use = 0.01 * std::stod(line.substr(0, at));
      const auto bar = line.find('|');
      if (bar == std::string::npos) continue;
      if (line.rfind("Pair ", 0) == 0) pair = std::stod(line.substr(bar + 1));
      if (line.rfind("Kspace ", 0) == 0) kspace = std::stod(line.substr(bar + 1));
    }
    out.pair = pair * use / steps;
    out.kspace = kspace * use / steps;
    return out;
  }

 private:
  bool run(const LammpsSettings& s, const std::string& commands) const {
    {
      std::ofstream input(folder_ / "input");
      input << "units lj\natom_style charge\nboundary p p p\nneighbor 0.1 bin\nread_data data\n"
            << "pair_style coul/long " << s.cutoff << "\npair_coeff * *\nkspace_style pppm "
            << s.accuracy << "\nkspace_modify order " << s.order << " diff " << s.derivative
            << "\nthermo_style custom step pe\n"
            << commands;
    }
    const std::string command =
        "cd '" + folder_.string() + "' && OMP_NUM_THREADS=1 lmp -in input -log none > output 2>&1";
    return std::system(command.c_str()) == 0;
  }

  static inline int count_ = 0;
  std::size_t atoms_;
  std::filesystem::path folder_;
};

}  // namespace leyden_bench
