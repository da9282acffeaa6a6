import type { Capture, CapturedPacket } from '@culvert/lab'

/** What of a capture concerns two sets of addresses, both ways. */
export function between(packets: readonly CapturedPacket[], ips: ReadonlySet<string>): CapturedPacket[] {
  return packets.filter(({ source, destination }) => ips.has(source.ip) && ips.has(destination.ip))
}

/** TCP connections by their server port, ephemeral ports aside: the lower one is the server's. */
export function serverPorts(packets: readonly CapturedPacket[]): number[] {
  return [...new Set(packets.map(({ source, destination }) => serverPort(source.port, destination.port)))].sort(
    (a, b) => a - b
  )
}

const tunnel = 15008

const serverPort = (a: number, b: number): number => (a === tunnel || b === tunnel ? tunnel : Math.min(a, b))

export const holds = (packets: readonly CapturedPacket[], text: string): boolean =>
  packets.some(({ payload }) => payload.includes(text))

/** Whether the first payload seen of every connection, in either direction, is a TLS record: type 20 to 23, version 3.x. */
export function isTls(packets: readonly CapturedPacket[]): boolean {
  const seen = new Set<string>()
  for (const { source, destination, payload } of packets) {
    const direction = `${source.ip}:${source.port}>${destination.ip}:${destination.port}`
    if (payload.length === 0 || seen.has(direction)) continue
    seen.add(direction)
    const [type = 0, version] = payload
    if (type < 20 || type > 23 || version !== 3) return false
  }
  return seen.size > 0
}

/** A readable piece of the traffic, for people. */
export function excerpt(packets: readonly CapturedPacket[], text: string): string {
  const payload = packets.find(packet => packet.payload.includes(text))?.payload.toString('latin1') ?? ''
  const at = payload.indexOf(text)
  return payload.slice(Math.max(0, at - 40), at + text.length + 10).replace(/[^\x20-\x7e]/g, '.')
}

/** Captures while `act` runs. */
export async function captured<T>(
  capture: Promise<Capture>,
  act: () => Promise<T>
): Promise<{ result: T; packets: CapturedPacket[] }> {
  await using running = await capture
  const result = await act()
  await running.stop()
  return { result, packets: await running.packets() }
}
