#include "../../src/engine/socks5-request.h"

#include "../../src/engine/endpoint.h"
#include "must.h"
#include "targets.h"

// What a SOCKS5 client sends, from its first byte.
namespace culvert::fuzz {

void run_socks5(Input input) {
  Script script(input);
  Socks5Request request;
  std::string answer;
  size_t taken = 0;
  while (size_t wanted = request.wanted()) {
    MUST(wanted <= 257);
    if (script.at_end()) return;
    Input part = script.bytes(wanted);
    if (part.size() < wanted) return;
    taken += wanted;
    if (request.take({reinterpret_cast<const char*>(part.data()), part.size()}, answer)) return;
    // The method is chosen once, in time, and nothing else is said here.
    MUST(answer.empty() || answer == std::string("\x05\x00", 2));
  }
  MUST(answer.size() == 2 && taken <= 2 + 255 + 4 + 1 + 255 + 2);
  if (request.is_name()) {
    MUST(request.host().size() <= 255);
    return;
  }
  sockaddr_storage address{};
  MUST(socket_address({request.host(), request.port()}, address) > 0);
  MUST(endpoint_of(address).ip == request.host());
}

Seeds socks5_seeds() {
  auto seed = [](std::string_view text) { return std::vector<uint8_t>(text.begin(), text.end()); };
  using namespace std::string_view_literals;
  return {seed("\x05\x01\x00\x05\x01\x00\x01\x0a\xc8\x05\x09\x00\x50"sv),
          seed("\x05\x02\x02\x00\x05\x01\x00\x03\x05stock\x1f\x90payload"sv),
          seed("\x05\x01\x00\x05\x01\x00\x04\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x20\x00\x50"sv),
          seed("\x05\x01\x00\x05\x01\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\x01\x02\x03\x00\x50"sv),
          seed("\x05\x01\x00\x05\x01\x00\x03\x00\x00\x50"sv), seed("\x05\x01\x02"sv), seed("\x05\x00"sv),
          seed("\x04\x01\x00\x50\x0a\x00\x00\x01\x00"sv), seed("\x05\x01\x00\x05\x02\x00\x01"sv)};
}

}  // namespace culvert::fuzz
