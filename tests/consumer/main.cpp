// SPDX-License-Identifier: MIT
#include <leyden/core/pack.hpp>
#include <leyden/core/parallel.hpp>
#include <leyden/version.hpp>

#include <Eigen/Core>

#include <string>

int main() {
#if defined(CONSUMER_SEES_VERSION)
  // What the package says is what the header says.
  const std::string version = std::to_string(LEYDEN_VERSION_MAJOR) + "." +
                              std::to_string(LEYDEN_VERSION_MINOR) + "." +
                              std::to_string(LEYDEN_VERSION_PATCH);
  if (version != CONSUMER_SEES_VERSION) return 2;
#endif
  const Eigen::Vector3d ones = Eigen::Vector3d::Ones();
  const leyden::Pack<double> two(2.0);
  const double sum = leyden::sum_lanes(two * two) / leyden::Pack<double>::lanes;
#if defined(_OPENMP)
  const leyden::OpenMPExecutor executor(2);
#else
  const leyden::SerialExecutor executor;
#endif
  int done[2] = {0, 0};
  executor.for_each(2, [&](std::size_t i, int) { done[i] = 1; });
  return sum == 4.0 && ones.sum() == 3.0 && done[0] + done[1] == 2 ? 0 : 1;
}
