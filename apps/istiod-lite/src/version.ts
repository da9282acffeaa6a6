/** `VERSION-REVISION-STATUS`: what `istioctl version` splits (docs/spec/observability-dns.md section 9). */
export const version = '0.1.0-culvert-Clean'
