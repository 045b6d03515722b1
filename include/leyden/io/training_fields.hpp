// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/io/specification.hpp>
#include <leyden/train/trainer.hpp>

#if __has_include(<nlohmann/json.hpp>)

// The options of training, and of reading data, by name.
#include <leyden/io/extxyz.hpp>

namespace leyden::inline LEYDEN_ABI {

constexpr EnumNames<OptimizerOptions::Kind, 4> names(OptimizerOptions::Kind) {
  using Kind = OptimizerOptions::Kind;
  return {{{Kind::adam, "adam"},
           {Kind::schedule_free_adam, "schedule_free_adam"},
           {Kind::soap, "soap"},
           {Kind::lbfgs, "lbfgs"}}};
}
constexpr EnumNames<ScheduleOptions::Kind, 3> names(ScheduleOptions::Kind) {
  using Kind = ScheduleOptions::Kind;
  return {{{Kind::constant, "constant"}, {Kind::cosine, "cosine"}, {Kind::plateau, "plateau"}}};
}
constexpr EnumNames<TrainingMode, 3> names(TrainingMode) {
  using Mode = TrainingMode;
  return {{{Mode::implicit, "implicit"}, {Mode::unrolled, "unrolled"}, {Mode::direct, "direct"}}};
}
constexpr EnumNames<FieldSign, 2> names(FieldSign) {
  return {
      {{FieldSign::physical, "physical"}, {FieldSign::potential_gradient, "potential_gradient"}}};
}

template <class V>
void fields(V& v, LossTerms& o) {
  for (std::size_t k = 0; k < LossTerms::names.size(); ++k)
    v(LossTerms::names[k], o.*LossTerms::members[k]);
}
template <class V>
void fields(V& v, ParameterGroup& o) {
  v("prefix", o.prefix);
  v("rate_factor", o.rate_factor);
  v("weight_decay", o.weight_decay);
}
template <class V>
void fields(V& v, OptimizerOptions& o) {
  v("kind", o.kind);
  v("learning_rate", o.learning_rate);
  v("beta1", o.beta1);
  v("beta2", o.beta2);
  v("epsilon", o.epsilon);
  v("weight_decay", o.weight_decay);
  v("amsgrad", o.amsgrad);
  v("basis_decay", o.basis_decay);
  v("basis_interval", o.basis_interval);
  v("longest_axis", o.longest_axis);
  v("history", o.history);
  v("groups", o.groups);
}
template <class V>
void fields(V& v, ScheduleOptions& o) {
  v("kind", o.kind);
  v("warmup_steps", o.warmup_steps);
  v("final_factor", o.final_factor);
  v("plateau_factor", o.plateau_factor);
  v("patience", o.patience);
  v("threshold", o.threshold);
}
template <class V>
void fields(V& v, TrainingStage& o) {
  v("from_epoch", o.from_epoch);
  v("mode", o.mode);
  v("weights", o.weights);
  v("rate_factor", o.rate_factor);
}
template <class V>
void fields(V& v, TrainerOptions& o) {
  v("epochs", o.epochs);
  v("batch_size", o.batch_size);
  v("seed", o.seed);
  v("mode", o.mode);
  v("weights", o.weights);
  v("huber", o.huber);
  v("stability_target", o.stability_target);
  v("config_type_weights", o.config_type_weights);
  v("optimizer", o.optimizer);
  v("schedule", o.schedule);
  v("stages", o.stages);
  v("early_stopping", o.early_stopping);
  v("clip_norm", o.clip_norm);
  v("average_decay", o.average_decay);
}
template <class V>
void fields(V& v, ExtxyzKeys& o) {
  v("energy", o.energy);
  v("forces", o.forces);
  v("stress", o.stress);
  v("virials", o.virials);
  v("charges", o.charges);
  v("atomic_dipoles", o.atomic_dipoles);
  v("total_charge", o.total_charge);
  v("dipole", o.dipole);
  v("dipole_mask", o.dipole_mask);
  v("external_field", o.external_field);
  v("external_charges", o.external_charges);
  v("fermi_level", o.fermi_level);
  v("potentials", o.potentials);
  v("polarizability", o.polarizability);
  v("born_charges", o.born_charges);
  v("config_type", o.config_type);
}
template <class V>
void fields(V& v, ExtxyzOptions& o) {
  v("keys", o.keys);
  v("require", o.require);
  v("field_sign", o.field_sign);
  v("field_jump_at", o.field_jump_at);
}

}  // namespace leyden::inline LEYDEN_ABI
#endif
