#pragma once
#include <optional>
#include <string>
#include <vector>

#include "values.h"

namespace culvert {

// A request as the handler sees it.
struct Http2Request {
  std::string method;
  std::optional<std::string> authority;
  std::vector<HeaderField> headers;
};

// nullopt: malformed (RFC 9113 8.1.1), the stream is to be reset with PROTOCOL_ERROR.
std::optional<Http2Request> parse_request(std::vector<HeaderField> fields);

struct Http2Response {
  int status;
  std::vector<HeaderField> headers;
};

std::optional<Http2Response> parse_response(std::vector<HeaderField> fields);

// No pseudo-header fields, and otherwise as strict as for the others.
bool valid_trailers(const std::vector<HeaderField>& fields);

}  // namespace culvert
