#pragma once
#include <string>

namespace culvert {

// Every way a decided connection can fail, as packages/tunnel/src/data-path.ts names them.
enum class FailureCode {
  io,
  tunnel_connect_timeout,
  http2_handshake,
  http2,
  status,
  tls,
  connection_failed,
  send,
  receive,
  shutdown,
  revoked,
  cut,
  drained
};

struct Failure {
  FailureCode code;
  std::string detail;
  int status = 0;
};

const char* name(FailureCode code);

// `Connection refused (os error 111)`: the words of the access log.
std::string os_error(int error);

inline constexpr const char* kDeadline = "deadline has elapsed";

}  // namespace culvert
