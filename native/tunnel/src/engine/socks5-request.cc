#include "socks5-request.h"

#include <netinet/in.h>

#include <cstring>

#include "endpoint.h"

namespace culvert {

namespace {

constexpr uint8_t kVersion = 5, kNoAuthentication = 0, kConnect = 1;
constexpr uint8_t kIpv4 = 1, kName = 3, kIpv6 = 4;
constexpr size_t kPort = 2;

uint8_t byte(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

std::string unsupported(const char* what, uint8_t value) {
  return std::string("unsupported ") + what + " " + std::to_string(value);
}

std::string address_text(std::string_view bytes) {
  sockaddr_storage address{};
  if (bytes.size() == sizeof(in_addr)) {
    address.ss_family = AF_INET;
    memcpy(&reinterpret_cast<sockaddr_in&>(address).sin_addr, bytes.data(), bytes.size());
  } else {
    address.ss_family = AF_INET6;
    memcpy(&reinterpret_cast<sockaddr_in6&>(address).sin6_addr, bytes.data(), bytes.size());
  }
  return endpoint_of(address).ip;
}

}  // namespace

std::string socks5_reply(uint8_t code) {
  std::string reply(10, '\0');
  reply[0] = kVersion;
  reply[1] = static_cast<char>(code);
  reply[3] = kIpv4;
  return reply;
}

void Socks5Request::expect(Part part, size_t bytes) {
  part_ = part;
  wanted_ = bytes;
}

void Socks5Request::take_port(std::string_view bytes) {
  port_ = static_cast<uint16_t>(byte(bytes, 0) << 8 | byte(bytes, 1));
  wanted_ = 0;
}

std::optional<std::string> Socks5Request::take(std::string_view part, std::string& answer) {
  switch (part_) {
    case Part::greeting:
      if (byte(part, 0) != kVersion) return unsupported("version", byte(part, 0));
      if (byte(part, 1) == 0) return "no authentication method is offered";
      expect(Part::methods, byte(part, 1));
      break;
    case Part::methods:
      if (part.find(static_cast<char>(kNoAuthentication)) == part.npos) return "only clients without authentication are served";
      answer += {static_cast<char>(kVersion), static_cast<char>(kNoAuthentication)};
      expect(Part::command, 2);
      break;
    case Part::command:
      if (byte(part, 0) != kVersion) return unsupported("version", byte(part, 0));
      if (byte(part, 1) != kConnect) return unsupported("command", byte(part, 1));
      expect(Part::address_type, 2);  // behind a reserved byte
      break;
    case Part::address_type:
      switch (byte(part, 1)) {
        case kIpv4: expect(Part::address, sizeof(in_addr) + kPort); break;
        case kIpv6: expect(Part::address, sizeof(in6_addr) + kPort); break;
        case kName: expect(Part::name_length, 1); break;
        default: return unsupported("address type", byte(part, 1));
      }
      break;
    case Part::address:
      host_ = address_text(part.substr(0, part.size() - kPort));
      take_port(part.substr(part.size() - kPort));
      break;
    case Part::name_length:
      expect(Part::name, byte(part, 0) + kPort);
      break;
    case Part::name:
      host_ = part.substr(0, part.size() - kPort);
      is_name_ = true;
      take_port(part.substr(part.size() - kPort));
      break;
  }
  return std::nullopt;
}

}  // namespace culvert
