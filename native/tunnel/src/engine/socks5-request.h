#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace culvert {

// Codes of a SOCKS5 reply, RFC 1928 section 6; the others are the decision thread's to choose.
enum class Socks5Reply : uint8_t { succeeded = 0, general_failure = 1, command_not_supported = 7 };

// With the address and port that the specification always gives, 0.0.0.0:0 (hbone section 5).
std::string socks5_reply(uint8_t code);

// What a SOCKS5 client says before its data (RFC 1928), part by part, so that nothing behind it is ever read. Knows no
// socket. Without authentication, CONNECT only. Holds at most one part, 257 bytes.
class Socks5Request {
 public:
  // Bytes of the part that is next; 0 when all is said.
  size_t wanted() const { return wanted_; }
  // Takes exactly that many; what goes back at once is appended to `answer`. Why the client cannot be served, if so.
  std::optional<std::string> take(std::string_view part, std::string& answer);

  // What was asked for: an address in canonical text, or a name as it came, which may hold any bytes.
  const std::string& host() const { return host_; }
  bool is_name() const { return is_name_; }
  uint16_t port() const { return port_; }

 private:
  enum class Part { greeting, methods, command, address_type, address, name_length, name };

  void expect(Part part, size_t bytes);
  void take_port(std::string_view bytes);

  Part part_ = Part::greeting;
  size_t wanted_ = 2;
  std::string host_;
  bool is_name_ = false;
  uint16_t port_ = 0;
};

}  // namespace culvert
