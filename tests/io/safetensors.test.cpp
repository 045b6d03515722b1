// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/io/safetensors.hpp>

#include "support/catch.hpp"
#include "support/scratch_file.hpp"

#include <cstring>
#include <limits>
#include <string>

namespace safetensors_test {

namespace {

using namespace leyden;

std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string bytes;
  for (const T x : values) {
    char text[sizeof(T)];
    std::memcpy(text, &x, sizeof(T));
    bytes.append(text, sizeof(T));
  }
  return bytes;
}

/// The text of the error; empty when there is none.
std::string refusal(const std::string& bytes) {
  try {
    parse_safetensors(bytes, "file");
  } catch (const InputError& e) {
    return e.what();
  }
  return {};
}

bool says(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

const std::string pair = bytes_of({1.5, -2.5});
std::string one_tensor(const std::string& type, const std::string& shape,
                       const std::string& offsets) {
  return R"({"a":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

}  // namespace

TEST_CASE("safetensors: what is written is read again, to the last bit", "[io]") {
  SafeTensors content;
  content.metadata["who"] = "a \"test\"\n";
  content.tensors.push_back({"matrix", {2, 3}, {1, 2, 3, 4, 5, 1.0 / 3.0}});
  content.tensors.push_back({"number", {}, {-0.0}});
  content.tensors.push_back({"nothing", {0, 4}, {}});
  const ScratchFile scratch("io.safetensors");
  const std::string& path = scratch.path();
  write_safetensors(path, content);
  const SafeTensors found = read_safetensors(path);
  CHECK(found.metadata == content.metadata);
  REQUIRE(found.tensors.size() == 3);
  for (const Tensor& t : content.tensors) {
    const Tensor* other = found.find(t.name);
    REQUIRE(other != nullptr);
    CHECK(other->shape == t.shape);
    REQUIRE(other->values.size() == t.values.size());
    CHECK((t.values.empty() ||
           std::memcmp(other->values.data(), t.values.data(), 8 * t.values.size()) == 0));
  }
  CHECK(found.find("none") == nullptr);
  CHECK(checksum(found.tensors) == checksum(found.tensors));

  content.tensors.push_back({"matrix", {1}, {0}});
  CHECK_THROWS_AS(write_safetensors(path, content), InputError);
  content.tensors.back() = {"wrong", {2}, {0}};
  CHECK_THROWS_AS(write_safetensors(path, content), InputError);
  content.tensors.back() = {"nan", {1}, {std::numeric_limits<double>::quiet_NaN()}};
  CHECK_THROWS_AS(write_safetensors(path, content), InputError);
  content.tensors.clear();
  content.metadata["who"] = "\xff";
  CHECK_THROWS_AS(write_safetensors(path, content), InputError);
  CHECK(read_safetensors(path).tensors.size() == 3);  // failures leave the old file
  CHECK_THROWS_AS(read_safetensors("no_such_folder/no_file"), InputError);
}

TEST_CASE("safetensors: single precision is read, and a checksum sees one changed bit", "[io]") {
  const std::string bytes = file_of(one_tensor("F32", "[2]", "[0,8]"), bytes_of({0.1f, -3.0f}));
  SafeTensors found = parse_safetensors(bytes, "file");
  REQUIRE(found.tensors.size() == 1);
  CHECK(found.tensors[0].values == std::vector<double>{0.1f, -3.0});
  const std::string before = checksum(found.tensors);
  found.tensors[0].values[0] = std::nextafter(found.tensors[0].values[0], 1.0);
  CHECK(checksum(found.tensors) != before);
  found.tensors[0].values[0] = static_cast<double>(0.1f);
  found.tensors[0].shape = {2, 1};
  CHECK(checksum(found.tensors) != before);
}

TEST_CASE("safetensors: what a file claims is checked before it is used", "[io]") {
  const std::string good = file_of(one_tensor("F64", "[2]", "[0,16]"), pair);
  CHECK(refusal(good).empty());

  SECTION("truncated") {
    for (std::size_t n = 0; n < good.size(); ++n) CHECK_FALSE(refusal(good.substr(0, n)).empty());
    CHECK(says(refusal(good + "x"), "belong to no tensor"));
  }
  SECTION("huge") {
    std::string bytes = good;
    const std::uint64_t length = ~std::uint64_t(0);
    std::memcpy(bytes.data(), &length, 8);
    CHECK(says(refusal(bytes), "header claims"));
    const char* big = "18446744073709551615";
    const auto with = [&](const std::string& shape, const std::string& offsets) {
      return refusal(file_of(one_tensor("F64", shape, offsets), pair));
    };
    CHECK(says(with(std::string("[") + big + "]", "[0,16]"), "more elements"));
    CHECK(says(with("[4294967296,4294967296,4294967296]", "[0,16]"), "more elements"));
    CHECK(says(with("[268435456,268435456]", "[0,16]"), "its shape asks for"));
    CHECK(says(with("[2]", std::string("[0,") + big + "]"), "are none of the file's"));
    CHECK(says(with("[2]", std::string("[") + big + ",16]"), "are none of the file's"));
    CHECK(says(with("[184467440737095516160000]", "[0,16]"), "a count was expected"));
  }
  SECTION("wrong types") {
    const auto with = [&](const std::string& header) { return refusal(file_of(header, pair)); };
    CHECK(says(with(one_tensor("I64", "[2]", "[0,16]")), "F64 and F32 are read"));
    CHECK(says(with(one_tensor("F64", "2", "[0,16]")), "its shape is 2"));
    CHECK(says(with(one_tensor("F64", "[-2]", "[0,16]")), "a count was expected"));
    CHECK(says(with(one_tensor("F64", "[2.0]", "[0,16]")), "a count was expected"));
    CHECK(says(with(one_tensor("F64", "[2]", "[0,16,16]")), "not a pair"));
    CHECK(says(with(one_tensor("F64", "[2]", "[16,0]")), "are none of the file's"));
    CHECK(says(with(R"({"a":3})"), "there is no 'dtype'"));
    CHECK(says(with(R"({"a":{"dtype":"F64","shape":[2]}})"), "there is no 'data_offsets'"));
    CHECK(says(with(R"([1,2])"), "no JSON object"));
    CHECK(says(with(R"({"__metadata__":{"a":1}})"), "is no text"));
    CHECK(says(with(R"({"__metadata__":1})"), "no JSON object"));
    CHECK(says(with("{nonsense"), "is no JSON"));
    CHECK(says(with(std::string(100000, '[')), "is no JSON"));
    CHECK(says(with(R"({"a":1,"a":2})"), "stands twice"));
  }
  SECTION("data that overlap, leave gaps or are not finite") {
    const auto two = [&](const char* first, const char* second) {
      return refusal(file_of(std::string(R"({"a":{"dtype":"F64","shape":[1],"data_offsets":)") +
                                 first + R"(},"b":{"dtype":"F64","shape":[1],"data_offsets":)" +
                                 second + "}}",
                             pair));
    };
    CHECK(two("[0,8]", "[8,16]").empty());
    CHECK(two("[8,16]", "[0,8]").empty());
    CHECK(says(two("[0,8]", "[0,8]"), "within those of another"));
    CHECK(says(two("[0,8]", "[4,12]"), "within those of another"));
    CHECK(says(refusal(file_of(one_tensor("F64", "[1]", "[8,16]"), pair)), "after a gap"));
    CHECK(says(refusal(file_of(one_tensor("F64", "[1]", "[0,8]"), pair)), "belong to no tensor"));
    for (const double bad :
         {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
      CHECK(says(refusal(file_of(one_tensor("F64", "[2]", "[0,16]"), bytes_of({1.0, bad}))),
                 "number 1 is not finite"));
  }
  SECTION("any byte changed at random is read or refused, never worse") {
    RandomStream random(3);
    for (int i = 0; i < 4000; ++i) {
      std::string bytes = good;
      for (int k = 0; k < 3; ++k)
        bytes[static_cast<std::size_t>(random.uniform() * static_cast<double>(bytes.size()))] =
            static_cast<char>(static_cast<int>(random.uniform() * 256.0));
      refusal(bytes);  // must throw InputError or nothing
    }
    SUCCEED();
  }
}

}  // namespace safetensors_test
