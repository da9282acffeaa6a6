import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** Keeps one connection to the store and uses it for every question; a broken one is replaced at the next question. */
export class StoreClient {
  readonly #at: { host: string; port: number }
  #connection: Connection | undefined

  constructor(at: { host: string; port: number }) {
    this.#at = at
  }

  async get(key: string): Promise<unknown> {
    if (this.#connection === undefined || this.#connection.socket.destroyed) this.#connection = await open(this.#at)
    const answer = await this.#connection.ask(`GET ${key}`)
    const [kind, ...rest] = answer.split(' ')
    if (kind !== 'VALUE') throw new Error(`store: ${answer}`)
    return JSON.parse(rest.join(' '))
  }

  close(): void {
    this.#connection?.socket.destroy()
  }
}

interface Connection {
  readonly socket: Socket
  readonly ask: (line: string) => Promise<string>
}

function open(at: { host: string; port: number }): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...at, timeout: 5000 })
    let greeted = false
    const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = []
    const fail = (error: Error): void => {
      socket.destroy()
      reject(error)
      for (const one of waiting.splice(0)) one.reject(error)
    }
    const ask = (line: string): Promise<string> =>
      new Promise((resolveAnswer, rejectAnswer) => {
        waiting.push({ resolve: resolveAnswer, reject: rejectAnswer })
        socket.write(`${line}\n`)
      })
    socket.on('error', error => fail(new Error(`store at ${at.host}:${at.port}: ${error.message}`, { cause: error })))
    // An idle connection is fine, one that owes us its greeting or an answer is not.
    socket.on('timeout', () => {
      if (!greeted || waiting.length > 0) fail(new Error(`store at ${at.host}:${at.port} did not answer within 5 s`))
    })
    socket.on('close', () => fail(new Error(`store at ${at.host}:${at.port} closed the connection`)))
    const lines = createInterface({ input: socket })
    lines.on('error', fail)
    lines.on('line', line => {
      if (greeted) return waiting.shift()?.resolve(line)
      greeted = true
      if (line.startsWith('STORE ')) resolve({ socket, ask })
      else fail(new Error(`store at ${at.host}:${at.port} greeted with ${JSON.stringify(line.slice(0, 40))}`))
    })
  })
}
