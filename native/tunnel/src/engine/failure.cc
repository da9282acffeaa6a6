#include "failure.h"

#include <cstring>

namespace culvert {

const char* name(FailureCode code) {
  switch (code) {
    case FailureCode::io: return "IO";
    case FailureCode::tunnel_connect_timeout: return "TUNNEL_CONNECT_TIMEOUT";
    case FailureCode::http2_handshake: return "HTTP2_HANDSHAKE";
    case FailureCode::http2: return "HTTP2";
    case FailureCode::status: return "STATUS";
    case FailureCode::tls: return "TLS";
    case FailureCode::connection_failed: return "CONNECTION_FAILED";
    case FailureCode::send: return "SEND";
    case FailureCode::receive: return "RECEIVE";
    case FailureCode::shutdown: return "SHUTDOWN";
    case FailureCode::revoked: return "REVOKED";
    case FailureCode::cut: return "CUT";
    case FailureCode::drained: return "DRAINED";
  }
  return "IO";
}

std::string os_error(int error) {
  char buffer[128];
  return std::string(strerror_r(error, buffer, sizeof buffer)) + " (os error " + std::to_string(error) + ")";
}

}  // namespace culvert
