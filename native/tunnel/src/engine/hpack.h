#pragma once
#include <deque>
#include <string>
#include <string_view>

#include "bytes.h"
#include "values.h"

namespace culvert {

// RFC 7541: header lists to blocks. Nothing is remembered: literals without indexing, so there is no table to bound.
class HpackEncoder {
 public:
  static void field(std::string& block, std::string_view name, std::string_view value);
};

// Blocks to header lists, with the dynamic table of the default size, which we never change.
class HpackDecoder {
 public:
  static constexpr size_t kTableLimit = 4096;
  // Times the size that is allowed.
  static constexpr size_t kExcess = 4;

  struct Result {
    std::vector<HeaderField> fields;
    size_t list_size = 0;  // RFC 9113 6.5.2: names, values and 32 for each line
    // More than `max_list_size`: decoded to its end for the table's sake, but the rest is not kept.
    bool too_large = false;
    // So much more that decoding it stopped: a small block can name the table's largest entry over and over.
    bool excessive = false;
  };

  // False: COMPRESSION_ERROR for the whole connection. After an excessive list the table is of no use either.
  bool decode(Bytes block, size_t max_list_size, Result& result);

 private:
  struct Entry {
    std::string name, value;
    size_t size() const { return name.size() + value.size() + 32; }
  };

  bool lookup(uint64_t index, std::string_view& name, std::string_view& value) const;
  void insert(Entry entry);
  void shrink(size_t limit);

  std::deque<Entry> table_;  // newest first
  size_t size_ = 0, limit_ = kTableLimit;
};

}  // namespace culvert
