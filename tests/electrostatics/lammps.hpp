// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/vector3.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

// Runs LAMMPS, when it is installed, on charges and dipoles: an outside oracle. Its units are those
// of 1/r (lj), so that no constant enters; its erfc is good to 1.5e-7.
namespace lammps {

using leyden::Matrix3;
using leyden::Vector3;

struct System {
  Matrix3<double> cell;  // rows; lower triangular
  bool slab = false;     // third direction open
  std::vector<Vector3<double>> positions;
  std::vector<double> charges;
  std::vector<Vector3<double>> dipoles;  // empty: none
};

struct Result {
  double energy = 0;
  std::vector<Vector3<double>> forces;
  Matrix3<double> pressure{};
};

inline bool installed() { return std::system("command -v lmp >/dev/null 2>&1") == 0; }

/// @param kspace the arguments of kspace_style, e.g. "ewald 1e-9"
/// @param extra  further commands, one per line
/// @returns nothing when LAMMPS fails; its log is then on standard error.
inline bool run(const System& system, const std::string& kspace, const std::string& extra,
                double cutoff, Result& result) {
  namespace fs = std::filesystem;
  // A name of its own for every process and run.
  static int count = 0;
  const fs::path folder = fs::temp_directory_path() / ("leyden_lammps_" + std::to_string(getpid()) +
                                                       "_" + std::to_string(++count));
  fs::create_directories(folder);
  const std::size_t n = system.positions.size();
  const bool dipoles = !system.dipoles.empty();
  {
    std::ofstream data(folder / "data");
    data.precision(17);
    const auto& h = system.cell;
    data << "atoms\n\n"
         << n << " atoms\n1 atom types\n\n0 " << h(0, 0) << " xlo xhi\n0 " << h(1, 1)
         << " ylo yhi\n0 " << h(2, 2) << " zlo zhi\n";
    if (h(1, 0) != 0 || h(2, 0) != 0 || h(2, 1) != 0)
      data << h(1, 0) << ' ' << h(2, 0) << ' ' << h(2, 1) << " xy xz yz\n";
    data << (dipoles ? "" : "\nMasses\n\n1 1.0\n") << "\nAtoms\n\n";
    for (std::size_t i = 0; i < n; ++i) {
      const auto& r = system.positions[i];
      data << i + 1 << " 1 ";
      if (!dipoles) data << system.charges[i] << ' ';
      data << r[0] << ' ' << r[1] << ' ' << r[2];
      if (dipoles)  // a diameter and a density, for torques
        data << " 1 1 " << system.charges[i] << ' ' << system.dipoles[i][0] << ' '
             << system.dipoles[i][1] << ' ' << system.dipoles[i][2];
      data << '\n';
    }
    std::ofstream input(folder / "input");
    input << "units lj\natom_style " << (dipoles ? "hybrid sphere dipole" : "charge")
          << "\nboundary p p " << (system.slab ? 'f' : 'p')
          << "\nbox tilt large\nneighbor 0 bin\nread_data data\n"
          << "pair_style "
          << (dipoles ? "lj/cut/dipole/long " + std::to_string(cutoff) + ' '
                      : std::string("coul/long "))
          << cutoff << "\npair_coeff * * " << (dipoles ? "0 1" : "") << "\npair_modify table 0\n"
          << "kspace_style " << kspace << '\n'
          << extra
          << "\nthermo_style custom pe pxx pyy pzz pxy pxz pyz\n"
             "thermo_modify format float %.16g norm no\n"
             "dump d all custom 1 forces id fx fy fz\n"
             "dump_modify d format float %.16g sort id\nrun 0\n";
  }
  const std::string command =
      "cd '" + folder.string() + "' && lmp -in input -log none > output 2>&1";
  const bool good = std::system(command.c_str()) == 0;
  if (good) {
    std::ifstream output(folder / "output"), forces(folder / "forces");
    std::string line;
    while (std::getline(output, line))
      if (line.find("PotEng") != std::string::npos) {
        std::array<double, 6> p{};
        output >> result.energy;
        for (double& x : p) output >> x;
        const int a[6] = {0, 1, 2, 0, 0, 1}, b[6] = {0, 1, 2, 1, 2, 2};
        for (std::size_t c = 0; c < 6; ++c)
          result.pressure(a[c], b[c]) = result.pressure(b[c], a[c]) = p[c];
      }
    while (std::getline(forces, line) && line.rfind("ITEM: ATOMS", 0) != 0) {
    }
    result.forces.resize(n);
    std::size_t id = 0;
    for (std::size_t i = 0; i < n; ++i)
      forces >> id >> result.forces[i][0] >> result.forces[i][1] >> result.forces[i][2];
    if (!forces) return false;
  } else {
    std::ifstream output(folder / "output");
    std::ostringstream text;
    text << output.rdbuf();
    std::fputs(text.str().c_str(), stderr);
  }
  fs::remove_all(folder);
  return good;
}

}  // namespace lammps
