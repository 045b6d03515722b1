// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/validate.hpp>
#include <leyden/io/extxyz.hpp>
#include <leyden/io/extxyz_text.hpp>

#include <algorithm>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

namespace detail::extxyz {

/// What keys can mean: members of ExtxyzKeys with their usual names.
struct Meaning {
  std::string_view name;
  std::string ExtxyzKeys::*chosen;
  bool column;
  std::array<std::string_view, 8> usual;
};

inline constexpr std::array<Meaning, 16> meanings{{
    {"energy",
     &ExtxyzKeys::energy,
     false,
     {"REF_energy", "energy", "free_energy", "dft_energy", "TotEnergy"}},
    {"forces", &ExtxyzKeys::forces, true, {"REF_forces", "forces", "force", "dft_forces"}},
    {"stress", &ExtxyzKeys::stress, false, {"REF_stress", "stress"}},
    {"virials", &ExtxyzKeys::virials, false, {"REF_virials", "virials", "virial"}},
    {"charges",
     &ExtxyzKeys::charges,
     true,
     {"REF_charges", "REF_mulliken", "REF_hirshfeld", "charges", "mulliken", "hirshfeld",
      "ref_charges", "initial_charges"}},
    {"atomic_dipoles", &ExtxyzKeys::atomic_dipoles, true, {"REF_atomic_dipoles", "atomic_dipoles"}},
    {"total_charge",
     &ExtxyzKeys::total_charge,
     false,
     {"total_charge", "charge", "REF_total_charge"}},
    {"dipole", &ExtxyzKeys::dipole, false, {"REF_dipole", "dipole", "ref_dipole"}},
    {"dipole_mask", &ExtxyzKeys::dipole_mask, false, {"config_dipole_weight"}},
    {"external_field",
     &ExtxyzKeys::external_field,
     false,
     {"external_field", "REF_external_field"}},
    {"external_charges", &ExtxyzKeys::external_charges, false, {"external_charges"}},
    {"fermi_level", &ExtxyzKeys::fermi_level, false, {"fermi_level", "REF_fermi_level"}},
    {"potentials",
     &ExtxyzKeys::potentials,
     true,
     {"REF_potentials", "REF_potential", "potentials"}},
    {"polarizability",
     &ExtxyzKeys::polarizability,
     false,
     {"REF_polarizability", "polarizability"}},
    {"born_charges", &ExtxyzKeys::born_charges, true, {"REF_born_charges", "born_charges", "BEC"}},
    {"config_type", &ExtxyzKeys::config_type, false, {"config_type"}},
}};

inline bool is_lattice(std::string_view key) { return key == "Lattice" || key == "lattice"; }
inline bool is_pbc(std::string_view key) { return key == "pbc" || key == "PBC"; }
inline bool is_structure(std::string_view key) {
  return is_lattice(key) || is_pbc(key) || key == "Properties" || key == "properties";
}

class Reader {
 public:
  Reader(std::string_view text, std::string_view file, const ExtxyzOptions& options)
      : text_(text), file_(file), options_(options), frames_(index_frames(text, file)) {
    count();
    choose();
  }
  std::vector<Frame> frames() const;
  const ExtxyzReport& report() const { return report_; }

 private:
  // A column token's destination; all null: skipped.
  struct Column {
    std::string_view name;
    bool symbol = false, number = false;
    std::vector<Vector3<double>>* vectors = nullptr;
    std::vector<double>* scalars = nullptr;
    std::vector<Matrix3<double>>* matrices = nullptr;
    int component = 0;
  };

  void count();
  void choose();
  std::string_view chosen(std::string_view meaning) const;
  const KeyValue* find(const FrameText& f, std::string_view meaning) const;
  const KeyValue* find_condition(const FrameText& f, std::string_view meaning, Place place) const;
  void read_cell(const FrameText& f, Frame& frame, Place place) const;
  void read_keys(const FrameText& f, Frame& frame, Place place) const;
  void read_stress(const FrameText& f, Frame& frame, Place place) const;
  void read_atoms(const FrameText& f, Frame& frame) const;

  std::string_view text_, file_;
  const ExtxyzOptions& options_;
  std::vector<FrameText> frames_;
  ExtxyzReport report_;
  std::array<std::string, meanings.size()> chosen_;  // the file's name of each meaning, or empty
};

inline void Reader::count() {
  report_.file = file_;
  report_.frames = frames_.size();
  const auto add = [&](std::string_view key, bool column) {
    for (ExtxyzReport::Entry& e : report_.entries)
      if (e.column == column && e.key == key) {
        ++e.frames;
        return;
      }
    const bool structure =
        column ? key == "pos" || key == "species" || key == "Z" : is_structure(key);
    report_.entries.push_back({std::string(key), structure ? "structure" : "", column, 1});
  };
  for (const FrameText& f : frames_) {
    report_.atoms += f.atoms;
    for (const KeyValue& kv : f.keys) add(kv.key, false);
    for (const Property& p : f.properties) add(p.name, true);
  }
}

// Takes for each meaning the preferred name that any frame has.
inline void Reader::choose() {
  const ExtxyzKeys& keys = options_.keys;
  for (std::size_t m = 0; m < meanings.size(); ++m) {
    const Meaning& meaning = meanings[m];
    const auto take = [&](std::string_view name) {
      for (ExtxyzReport::Entry& e : report_.entries) {
        if (e.column != meaning.column || e.key != name) continue;
        e.meaning = meaning.name;
        chosen_[m] = name;
        return true;
      }
      return false;
    };
    const std::string& given = keys.*meaning.chosen;
    if (!given.empty()) {
      if (take(given)) continue;
      throw InputError(std::string(file_) + ": no frame has the " +
                       (meaning.column ? "column " : "key ") + shown(given) +
                       " that was given for " + std::string(meaning.name));
    }
    // Whoever names one of the two does not want the other.
    if (meaning.name == "stress" && !keys.virials.empty()) continue;
    if (meaning.name == "virials" && !keys.stress.empty()) continue;
    for (const std::string_view name : meaning.usual)
      if (!name.empty() && take(name)) break;
  }
  for (const std::string& name : options_.require) {
    const auto known = std::find_if(meanings.begin(), meanings.end(),
                                    [&](const Meaning& m) { return m.name == name; });
    if (known == meanings.end()) {
      std::string all;
      for (const Meaning& m : meanings) (all += ' ') += m.name;
      throw InputError(std::string(file_) + ": cannot require " + shown(name) + "; known are" +
                       all);
    }
    if (!chosen(name).empty() || (name == "stress" && !chosen("virials").empty())) continue;
    std::string usual;
    for (const std::string_view u : known->usual)
      if (!u.empty()) (usual += ' ') += u;
    throw InputError(std::string(file_) + ": no frame has the " +
                     (known->column ? "column " : "key ") + shown(name) +
                     ", which is required; looked for" + usual +
                     "; name it in ExtxyzKeys::" + name + " if it is called otherwise");
  }
}

inline std::string_view Reader::chosen(std::string_view meaning) const {
  for (std::size_t m = 0; m < meanings.size(); ++m)
    if (meanings[m].name == meaning) return chosen_[m];
  return {};
}

inline const KeyValue* Reader::find(const FrameText& f, std::string_view meaning) const {
  const std::string_view name = chosen(meaning);
  if (name.empty()) return nullptr;
  for (const KeyValue& kv : f.keys)
    if (kv.key == name) return &kv;
  return nullptr;
}

// As find(), for what belongs to the structure. There an absent key means zero, so a frame that
// says it under another name than the rest of the file must not pass.
inline const KeyValue* Reader::find_condition(const FrameText& f, std::string_view meaning,
                                              Place place) const {
  const KeyValue* found = find(f, meaning);
  if (found != nullptr) return found;
  for (const Meaning& m : meanings) {
    if (m.name != meaning || !(options_.keys.*m.chosen).empty()) continue;
    for (const KeyValue& kv : f.keys)
      if (std::find(m.usual.begin(), m.usual.end(), kv.key) != m.usual.end())
        place.fail("key " + shown(kv.key) + " gives the " + std::string(meaning) +
                   ", in other frames it is " + shown(chosen(meaning)) +
                   "; use one name in the file, or name the right one in ExtxyzKeys::" +
                   std::string(meaning));
  }
  return nullptr;
}

inline void Reader::read_cell(const FrameText& f, Frame& frame, Place place) const {
  Cell& cell = frame.structure.cell;
  bool lattice = false;
  for (const KeyValue& kv : f.keys) {
    if (!is_lattice(kv.key)) continue;
    if (lattice) place.fail("the lattice is given twice");
    const std::vector<double> h = numbers_of(kv, 9, place);
    std::copy(h.begin(), h.end(), cell.vectors.data.begin());
    cell.periodic = {true, true, true};
    lattice = true;
  }
  for (const KeyValue& kv : f.keys) {
    if (!is_pbc(kv.key)) continue;
    const auto words = words_of(kv.raw);
    if (words.size() != 3)
      place.fail("key " + shown(kv.key) + " has " + std::to_string(words.size()) +
                 " values; expected 3, e.g. \"T T F\"");
    for (std::size_t d = 0; d < 3; ++d) {
      const auto flag = read_bool(words[d]);
      if (!flag) place.fail("key " + shown(kv.key) + ": " + shown(words[d]) + " is not T or F");
      cell.periodic[d] = *flag;
    }
  }
  if (cell.any_periodic() && !lattice)
    place.fail("key 'pbc' marks periodic directions, but there is no Lattice");
}

inline void Reader::read_stress(const FrameText& f, Frame& frame, Place place) const {
  const auto tensor = [&](const KeyValue& kv) {
    const std::size_t count = words_of(kv.raw).size();
    if (count != 9 && count != 6)
      place.fail("key " + shown(kv.key) + " has " + std::to_string(count) +
                 " values; expected 9, or 6 in the order xx yy zz yz xz xy");
    const std::vector<double> v = numbers_of(kv, count, place);
    Matrix3<double> m;
    if (count == 9)
      std::copy(v.begin(), v.end(), m.data.begin());
    else
      m.data = {v[0], v[5], v[4], v[5], v[1], v[3], v[4], v[3], v[2]};
    return m;
  };
  const KeyValue* stress = find(f, "stress");
  const KeyValue* virials = find(f, "virials");
  if (stress != nullptr) frame.labels.stress = tensor(*stress);
  if (virials == nullptr) return;
  const Cell& cell = frame.structure.cell;
  const double volume = std::abs(determinant(cell.vectors));
  if (!cell.all_periodic() || !(volume > 0))
    place.fail("key " + shown(virials->key) +
               " is a virial, but without three periodic directions there is no volume to make a "
               "stress of it");
  Matrix3<double> from_virials = tensor(*virials);
  double difference = 0, largest = 0;
  for (std::size_t k = 0; k < 9; ++k) {
    from_virials.data[k] /= -volume;
    if (!frame.labels.stress) continue;
    difference =
        std::max(difference, std::abs(from_virials.data[k] - frame.labels.stress->data[k]));
    largest = std::max(largest, std::abs(frame.labels.stress->data[k]));
  }
  if (frame.labels.stress && difference > 1e-6 * largest)
    place.fail("keys " + shown(stress->key) + " and " + shown(virials->key) +
               " disagree: −virial/V differs from the stress by " + number_text(difference) +
               " eV/Å³, the largest component is " + number_text(largest) +
               " eV/Å³; check the sign (positive tensile) and units, or name only one of them");
  if (!frame.labels.stress) frame.labels.stress = from_virials;
}

inline void Reader::read_keys(const FrameText& f, Frame& frame, Place place) const {
  Structure& s = frame.structure;
  const auto number = [&](const KeyValue& kv) { return numbers_of(kv, 1, place)[0]; };
  const auto vector = [&](const KeyValue& kv) {
    const std::vector<double> v = numbers_of(kv, 3, place);
    return Vector3<double>{{v[0], v[1], v[2]}};
  };
  if (const KeyValue* kv = find(f, "energy")) frame.labels.energy = number(*kv);
  if (const KeyValue* kv = find(f, "fermi_level")) frame.labels.fermi_level = number(*kv);
  if (const KeyValue* kv = find(f, "dipole")) frame.labels.dipole = vector(*kv);
  if (const KeyValue* kv = find(f, "polarizability")) {
    const std::vector<double> x = numbers_of(*kv, 9, place);
    std::copy(x.begin(), x.end(), frame.labels.polarizability.emplace().data.begin());
  }
  if (const KeyValue* kv = find_condition(f, "total_charge", place)) s.total_charge = number(*kv);
  if (const KeyValue* kv = find(f, "config_type")) frame.config_type = kv->value();
  if (const KeyValue* kv = find(f, "dipole_mask")) {
    const std::size_t count = words_of(kv->raw).size() == 1 ? 1 : 3;
    const std::vector<double> weights = numbers_of(*kv, count, place);
    for (std::size_t a = 0; a < 3; ++a)
      frame.labels.dipole_mask[a] = weights[count == 1 ? 0 : a] != 0;
  }
  if (const KeyValue* kv = find_condition(f, "external_field", place)) {
    s.external_field = vector(*kv);
    if (options_.field_sign == FieldSign::potential_gradient) s.external_field = -s.external_field;
  }
  if (const KeyValue* kv = find(f, "external_charges")) {
    const std::size_t count = words_of(kv->raw).size();
    if (count % 5 != 0)
      place.fail("key " + shown(kv->key) + " has " + std::to_string(count) +
                 " values; expected five for each charge: x y z charge width");
    const std::vector<double> v = numbers_of(*kv, count, place);
    for (std::size_t k = 0; k < count; k += 5)
      s.external_charges.push_back({{{v[k], v[k + 1], v[k + 2]}}, v[k + 3], v[k + 4]});
  }
  if (options_.field_jump_at)
    for (int d = 0; d < 3; ++d) {
      const Vector3<double> h = s.cell.vectors.row(d);
      const std::size_t k = static_cast<std::size_t>(d);
      if (s.cell.periodic[k] &&
          std::abs(dot(s.external_field, h)) > 1e-12 * norm(s.external_field) * norm(h))
        s.field_jump[k] = *options_.field_jump_at;
    }
  read_stress(f, frame, place);
  for (const KeyValue& kv : f.keys) {
    const bool meant = std::any_of(meanings.begin(), meanings.end(), [&](const Meaning& m) {
      return !m.column && chosen(m.name) == kv.key;
    });
    if (!meant && !is_structure(kv.key)) frame.info.emplace(kv.key, kv.value());
  }
}

inline void Reader::read_atoms(const FrameText& f, Frame& frame) const {
  const Place comment{file_, f.line + 1};
  Structure& s = frame.structure;
  const std::size_t n = f.atoms;
  const auto expect = [&](const Property& p, std::string_view types, std::size_t columns) {
    if (types.find(p.type) == types.npos || p.columns != columns)
      comment.fail("column " + shown(p.name) + " is " + std::string(1, p.type) + ":" +
                   std::to_string(p.columns) + "; expected " + std::string(1, types[0]) + ":" +
                   std::to_string(columns));
  };
  const auto has = [&](std::string_view name) {
    return std::any_of(f.properties.begin(), f.properties.end(),
                       [&](const Property& p) { return p.name == name; });
  };
  if (!has("pos")) comment.fail("key 'Properties' has no column 'pos' (pos:R:3)");
  const bool by_symbol = has("species");
  if (!by_symbol && !has("Z"))
    comment.fail("key 'Properties' has neither the column 'species' (species:S:1) nor 'Z' (Z:I:1)");

  s.atomic_numbers.resize(n);
  s.positions.resize(n);
  std::vector<Column> columns;
  for (const Property& p : f.properties) {
    Column c;
    c.name = p.name;
    if (p.name == "pos") {
      expect(p, "RI", 3);
      c.vectors = &s.positions;
    } else if (p.name == "species") {
      expect(p, "S", 1);
      c.symbol = true;
    } else if (p.name == "Z" && !by_symbol) {
      expect(p, "I", 1);
      c.number = true;
    } else if (p.name == chosen("forces")) {
      expect(p, "RI", 3);
      c.vectors = &frame.labels.forces.emplace(n);
    } else if (p.name == chosen("charges")) {
      expect(p, "RI", 1);
      c.scalars = &frame.labels.charges.emplace(n);
    } else if (p.name == chosen("atomic_dipoles")) {
      expect(p, "RI", 3);
      c.vectors = &frame.labels.atomic_dipoles.emplace(n);
    } else if (p.name == chosen("potentials")) {
      expect(p, "RI", 1);
      c.scalars = &frame.labels.potentials.emplace(n);
    } else if (p.name == chosen("born_charges")) {
      expect(p, "RI", 9);
      c.matrices = &frame.labels.born_charges.emplace(n);
    }
    for (std::size_t k = 0; k < p.columns; ++k, ++c.component) columns.push_back(c);
  }

  const char* p = text_.data() + f.begin;
  const char* const end = text_.data() + text_.size();
  for (std::size_t i = 0; i < n; ++i) {
    const Place place{file_, f.line + 2 + i};
    const auto count_text = [&] {
      return "; the frame of line " + std::to_string(f.line) + " has " + std::to_string(n) +
             " atoms and " + std::to_string(columns.size()) + " columns";
    };
    for (std::size_t k = 0; k < columns.size(); ++k) {
      const Column& c = columns[k];
      while (p < end && is_blank(*p)) ++p;
      if (p == end || *p == '\n')
        place.fail("only " + std::to_string(k) + " columns, " + shown(c.name) + " is missing" +
                   count_text());
      const char* const start = p;
      const auto token = [&] {
        p = end_of_token(start, end);
        return std::string_view(start, static_cast<std::size_t>(p - start));
      };
      if (c.vectors != nullptr || c.scalars != nullptr || c.matrices != nullptr) {
        double x = 0;
        if (!read_number(p, end, x))
          place.fail("column " + shown(c.name) + ": " + shown(token()) + " is not a number");
        if (!std::isfinite(x))
          place.fail("column " + shown(c.name) + " is " + shown(token()) + "; it must be finite");
        if (c.vectors != nullptr)
          (*c.vectors)[i][c.component] = x;
        else if (c.matrices != nullptr)
          (*c.matrices)[i].data[static_cast<std::size_t>(c.component)] = x;
        else
          (*c.scalars)[i] = x;
      } else if (c.symbol) {
        const auto z = atomic_number_of(token());
        if (!z) place.fail("column 'species': " + shown(token()) + " is not an element");
        s.atomic_numbers[i] = *z;
      } else if (c.number) {
        const auto z = read_integer(token());
        if (!z || *z < 1 || *z > n_elements)
          place.fail("column 'Z': " + shown(token()) + " is not an atomic number (1 to 118)");
        s.atomic_numbers[i] = static_cast<int>(*z);
      } else {
        token();
      }
    }
    while (p < end && is_blank(*p)) ++p;
    if (p < end && *p != '\n')
      place.fail("more columns than Properties says, beginning with " +
                 shown({p, static_cast<std::size_t>(end_of_token(p, end) - p)}) + count_text());
    if (p < end) ++p;
  }
}

inline std::vector<Frame> Reader::frames() const {
  std::vector<Frame> out(frames_.size());
  for (std::size_t k = 0; k < frames_.size(); ++k) {
    const FrameText& f = frames_[k];
    const Place place{file_, f.line + 1};
    read_cell(f, out[k], place);
    read_keys(f, out[k], place);
    read_atoms(f, out[k]);
    if (options_.validate)
      validate(out[k].structure,
               std::string(file_) + ":" + std::to_string(f.line) + ", frame " + std::to_string(k));
  }
  return out;
}

}  // namespace detail::extxyz

inline std::string ExtxyzReport::text() const {
  std::string out =
      file + ": " + std::to_string(frames) + " frames, " + std::to_string(atoms) + " atoms\n";
  std::size_t width = 4;
  for (const Entry& e : entries) width = std::max(width, e.key.size());
  for (const Entry& e : entries)
    out += "  " + e.key + std::string(width - e.key.size(), ' ') +
           (e.column ? "  column  " : "  key     ") + std::to_string(e.frames) + " frames  " +
           (e.meaning.empty() ? "not used" : e.meaning) + "\n";
  return out;
}

inline std::vector<Frame> parse_extxyz(std::string_view text, std::string_view name,
                                       const ExtxyzOptions& options, ExtxyzReport* report) {
  const detail::extxyz::Reader reader(text, name, options);
  // The report comes first: it helps to understand the error that may follow.
  if (report != nullptr) *report = reader.report();
  return reader.frames();
}

inline std::vector<Frame> read_extxyz(const std::string& path, const ExtxyzOptions& options,
                                      ExtxyzReport* report) {
  return parse_extxyz(detail::extxyz::read_file(path), path, options, report);
}

}  // namespace leyden::inline LEYDEN_ABI
