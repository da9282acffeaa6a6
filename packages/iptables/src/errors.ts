export type IptablesErrorCode =
  /** No usable iptables program for a family, or the forced one is unusable. */
  | 'IPTABLES_NO_BINARY'
  /** A command that had to succeed ended with another status. */
  | 'IPTABLES_COMMAND_FAILED'
  /** A command could not be started or did not end in time. */
  | 'IPTABLES_COMMAND_NOT_RUN'
  /** An interface name of the annotation could not be part of a rule. */
  | 'IPTABLES_BAD_INTERFACE'
  /** A setting or address that is no IP address of the wanted family. */
  | 'IPTABLES_BAD_ADDRESS'
  /** An IPv6 pod address while IPv6 is off: there is no set for it. */
  | 'IPTABLES_NO_IPV6_SET'
  /** No kubelet process found, whose user the nftables host rule names. */
  | 'IPTABLES_NO_KUBELET'

export class IptablesError extends Error {
  override readonly name = 'IptablesError'
  readonly code: IptablesErrorCode

  constructor(code: IptablesErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
