/** The Kubernetes version whose behaviour is followed: that of the API types this server is made from. */
export const versionInfo: Readonly<Record<string, string>> = {
  major: '1',
  minor: '34',
  gitVersion: 'v1.34.0+culvert-lab',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`
}
