// A dependency of @peculiar/x509 needs this polyfill before it is loaded, so the library is imported through here only.
import 'reflect-metadata'

export {
  BasicConstraintsExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator
} from '@peculiar/x509'
