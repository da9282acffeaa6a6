#include "targets.h"

namespace culvert::fuzz {

std::span<const Target> targets() {
  static const Target all[] = {{"hpack", run_hpack, hpack_seeds},
                               {"http2-server", run_http2_server, http2_server_seeds},
                               {"http2-client", run_http2_client, http2_client_seeds},
                               {"tls", run_tls, tls_seeds},
                               {"records", run_records, records_seeds},
                               {"identity", run_identity, identity_seeds},
                               {"socks5", run_socks5, socks5_seeds}};
  return all;
}

}  // namespace culvert::fuzz
