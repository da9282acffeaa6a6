import { expect, it } from 'vitest'
import { parseVersion } from './build.ts'

it.each([
  [
    'upstream’s',
    'version.BuildInfo{Version:"62d826530e5c", GitRevision:"62d826530e5c", RustVersion:"1.95.0", BuildProfile:"release", BuildStatus:"Modified", IstioVersion:"unknown", CryptoProvider:"tls-ring"}\n',
    { version: '62d826530e5c', profile: 'release', tlsLibrary: 'tls-ring' }
  ],
  [
    'ours',
    '{"version":"culvert","gitRevision":"unknown","rustVersion":"unknown","buildProfile":"release","cryptoProvider":"openssl 3.5.8"}\n',
    { version: 'culvert', profile: 'release', tlsLibrary: 'openssl 3.5.8' }
  ],
  ['another', 'proxy 2.1\n', { version: '', profile: '', tlsLibrary: '' }]
])('understands %s', (_, text, expected) => {
  expect(parseVersion(text)).toEqual(expected)
})
