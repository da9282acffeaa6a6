#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace culvert {

// An IP address in canonical text (IPv4-mapped IPv6 already unmapped) and a TCP port.
struct Endpoint {
  std::string ip;
  uint16_t port = 0;
};

Endpoint endpoint_of(const sockaddr_storage& address);

// AF_UNSPEC in `ss_family` when the text is no address.
socklen_t socket_address(const Endpoint& endpoint, sockaddr_storage& address);

std::string to_text(const Endpoint& endpoint);

}  // namespace culvert
