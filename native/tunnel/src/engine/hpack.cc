#include "hpack.h"

#include "hpack-tables.h"
#include "huffman.h"

namespace culvert {

namespace {

void put_integer(std::string& block, uint8_t first, int bits, size_t value) {
  size_t most = (1u << bits) - 1;
  if (value < most) {
    block.push_back(static_cast<char>(first | value));
    return;
  }
  block.push_back(static_cast<char>(first | most));
  for (value -= most; value >= 128; value >>= 7) block.push_back(static_cast<char>(value % 128 + 128));
  block.push_back(static_cast<char>(value));
}

void put_text(std::string& block, std::string_view text) {
  put_integer(block, 0, 7, text.size());
  block += text;
}

class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}

  bool at_end() const { return at_ == bytes_.size(); }
  uint8_t peek() const { return bytes_[at_]; }

  bool integer(int bits, uint64_t& value) {
    if (at_end()) return false;
    uint64_t most = (1u << bits) - 1;
    value = bytes_[at_++] & most;
    if (value < most) return true;
    // Four more octets hold anything that could be meant.
    for (int shift = 0; shift <= 21; shift += 7) {
      if (at_end()) return false;
      uint8_t octet = bytes_[at_++];
      value += static_cast<uint64_t>(octet & 127) << shift;
      if ((octet & 128) == 0) return true;
    }
    return false;
  }

  bool text(std::string& text) {
    if (at_end()) return false;
    bool coded = (peek() & 128) != 0;
    uint64_t length;
    if (!integer(7, length) || length > bytes_.size() - at_) return false;
    Bytes raw = bytes_.subspan(at_, length);
    at_ += length;
    if (coded) return huffman_decode(raw, text);
    text.assign(reinterpret_cast<const char*>(raw.data()), raw.size());
    return true;
  }

 private:
  Bytes bytes_;
  size_t at_ = 0;
};

}  // namespace

void HpackEncoder::field(std::string& block, std::string_view name, std::string_view value) {
  size_t named = 0;
  for (size_t index = 1; index <= kStaticFields; index++) {
    if (kStaticTable[index].name != name) continue;
    if (named == 0) named = index;
    if (kStaticTable[index].value.empty() || kStaticTable[index].value != value) continue;
    put_integer(block, 0x80, 7, index);
    return;
  }
  put_integer(block, 0, 4, named);
  if (named == 0) put_text(block, name);
  put_text(block, value);
}

bool HpackDecoder::decode(Bytes block, size_t max_list_size, Result& result) {
  Reader reader(block);
  bool begun = false;
  while (!reader.at_end()) {
    uint8_t first = reader.peek();
    uint64_t index;
    if ((first & 0xe0) == 0x20) {
      // A change of the table's size, allowed at the start of a block only.
      if (begun || !reader.integer(5, index) || index > kTableLimit) return false;
      limit_ = index;
      shrink(limit_);
      continue;
    }
    begun = true;
    std::string_view name, value;
    std::string own_name, own_value;
    bool indexed = false;
    if ((first & 0x80) != 0) {
      if (!reader.integer(7, index) || !lookup(index, name, value)) return false;
    } else {
      indexed = (first & 0xc0) == 0x40;
      if (!reader.integer(indexed ? 6 : 4, index)) return false;
      if (index == 0) {
        if (!reader.text(own_name)) return false;
        name = own_name;
      } else if (!lookup(index, name, value)) {
        return false;
      }
      if (!reader.text(own_value)) return false;
      value = own_value;
    }
    result.list_size += name.size() + value.size() + 32;
    if (result.list_size > max_list_size) result.too_large = true;
    if (result.list_size > max_list_size * kExcess) {
      result.excessive = true;
      return true;
    }
    if (!result.too_large) result.fields.emplace_back(name, value);
    // Last, since a name may stand in an entry that has to go.
    if (indexed) insert({std::string(name), std::string(value)});
  }
  return true;
}

bool HpackDecoder::lookup(uint64_t index, std::string_view& name, std::string_view& value) const {
  if (index == 0 || index > kStaticFields + table_.size()) return false;
  if (index <= kStaticFields) {
    name = kStaticTable[index].name;
    value = kStaticTable[index].value;
    return true;
  }
  const Entry& entry = table_[index - kStaticFields - 1];
  name = entry.name;
  value = entry.value;
  return true;
}

void HpackDecoder::insert(Entry entry) {
  size_t size = entry.size();
  // One that is larger than the table empties it, and that is no error.
  shrink(size > limit_ ? 0 : limit_ - size);
  if (size > limit_) return;
  size_ += size;
  table_.push_front(std::move(entry));
}

void HpackDecoder::shrink(size_t limit) {
  while (size_ > limit) {
    size_ -= table_.back().size();
    table_.pop_back();
  }
}

}  // namespace culvert
