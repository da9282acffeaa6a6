#include "tls-alert.h"

#include <cstdio>

namespace culvert {

namespace {

// As the TLS library of upstream's ztunnel writes the names of RFC 8446 6, in which two are spelled otherwise. Null:
// TLS 1.3 has none.
const char* name(uint8_t alert) {
  switch (alert) {
    case 10: return "UnexpectedMessage";
    case 20: return "BadRecordMac";
    case 22: return "RecordOverflow";
    case 40: return "HandshakeFailure";
    case 42: return "BadCertificate";
    case 43: return "UnsupportedCertificate";
    case 44: return "CertificateRevoked";
    case 45: return "CertificateExpired";
    case 46: return "CertificateUnknown";
    case 47: return "IllegalParameter";
    case 48: return "UnknownCA";
    case 49: return "AccessDenied";
    case 50: return "DecodeError";
    case 51: return "DecryptError";
    case 70: return "ProtocolVersion";
    case 71: return "InsufficientSecurity";
    case 80: return "InternalError";
    case 86: return "InappropriateFallback";
    case 109: return "MissingExtension";
    case 110: return "UnsupportedExtension";
    case 112: return "UnrecognisedName";
    case 113: return "BadCertificateStatusResponse";
    case 115: return "UnknownPSKIdentity";
    case 116: return "CertificateRequired";
    case 120: return "NoApplicationProtocol";
    default: return nullptr;
  }
}

}  // namespace

std::string alert_reason(uint8_t alert) {
  const char* known = name(alert);
  char number[sizeof "AlertDescription(0xff)"];
  std::snprintf(number, sizeof number, "AlertDescription(0x%x)", static_cast<unsigned>(alert));
  return std::string("received fatal alert: ") + (known == nullptr ? number : known);
}

}  // namespace culvert
