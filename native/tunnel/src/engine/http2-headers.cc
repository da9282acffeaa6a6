#include "http2-headers.h"

#include <algorithm>
#include <string_view>

namespace culvert {

namespace {

// RFC 9113 8.2: names in lower case and without what could be read as something else further on.
bool valid_name(std::string_view name) {
  if (name.empty()) return false;
  return std::ranges::none_of(name, [](unsigned char c) { return c <= 0x20 || c >= 0x7f || c == ':' || (c >= 'A' && c <= 'Z'); });
}

bool valid_value(std::string_view value) {
  if (value.empty()) return true;
  auto blank = [](char c) { return c == ' ' || c == '\t'; };
  if (blank(value.front()) || blank(value.back())) return false;
  return value.find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos;
}

// 8.2.2.
bool connection_specific(const HeaderField& field) {
  const auto& [name, value] = field;
  return name == "connection" || name == "proxy-connection" || name == "keep-alive" || name == "transfer-encoding" ||
         name == "upgrade" || (name == "te" && value != "trailers");
}

// Splits pseudo-header fields, which come first, from the others.
bool split(std::vector<HeaderField>& fields, std::vector<HeaderField>& pseudo) {
  size_t first = 0;
  while (first < fields.size() && fields[first].first.starts_with(':')) first++;
  for (size_t i = first; i < fields.size(); i++) {
    if (!valid_name(fields[i].first) || connection_specific(fields[i])) return false;
  }
  if (!std::ranges::all_of(fields, [](const HeaderField& field) { return valid_value(field.second); })) return false;
  pseudo.assign(std::make_move_iterator(fields.begin()), std::make_move_iterator(fields.begin() + static_cast<ptrdiff_t>(first)));
  fields.erase(fields.begin(), fields.begin() + static_cast<ptrdiff_t>(first));
  return true;
}

}  // namespace

bool valid_trailers(const std::vector<HeaderField>& fields) {
  return std::ranges::all_of(fields, [](const HeaderField& field) {
    return valid_name(field.first) && valid_value(field.second) && !connection_specific(field);
  });
}

std::optional<Http2Request> parse_request(std::vector<HeaderField> fields) {
  std::vector<HeaderField> pseudo;
  if (!split(fields, pseudo)) return std::nullopt;
  std::optional<std::string> method, authority, scheme, path;
  for (auto& [name, value] : pseudo) {
    // :protocol is not among them: extended CONNECT is not enabled.
    auto* target = name == ":method"      ? &method
                   : name == ":authority" ? &authority
                   : name == ":scheme"    ? &scheme
                   : name == ":path"      ? &path
                                          : nullptr;
    if (target == nullptr || *target) return std::nullopt;
    *target = std::move(value);
  }
  if (!method || method->empty()) return std::nullopt;
  bool connect = *method == "CONNECT";
  if (connect ? (scheme || path) : (!scheme || !path || path->empty())) return std::nullopt;
  return Http2Request{std::move(*method), std::move(authority), std::move(fields)};
}

std::optional<Http2Response> parse_response(std::vector<HeaderField> fields) {
  std::vector<HeaderField> pseudo;
  if (!split(fields, pseudo) || pseudo.size() != 1 || pseudo[0].first != ":status") return std::nullopt;
  const std::string& status = pseudo[0].second;
  if (status.size() != 3 || !std::ranges::all_of(status, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  return Http2Response{std::stoi(status), std::move(fields)};
}

}  // namespace culvert
