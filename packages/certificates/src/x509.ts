// Costs 10 MB of memory, and the node proxy has no CA: imported where certificates are made, not where they are used.
// A dependency of @peculiar/x509 needs this polyfill before it is loaded, so the library is imported through here only.
import 'reflect-metadata'

export {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  type PublicKey,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator
} from '@peculiar/x509'
