import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** Keeps one connection to the store and uses it for every question; a broken one is replaced at the next question. */
export class StoreClient {
  readonly #at: { host: string; port: number }
  #connection: StoreConnection | undefined

  constructor(at: { host: string; port: number }) {
    this.#at = at
  }

  async get(key: string): Promise<unknown> {
    if (this.#connection === undefined || this.#connection.socket.destroyed) {
      this.#connection = await openStore(this.#at)
    }
    return this.#connection.get(key)
  }

  close(): void {
    this.#connection?.socket.destroy()
  }
}

export interface StoreConnection {
  readonly socket: Socket
  /** Rejects with what ended the connection, also when it ended while nobody asked. */
  readonly get: (key: string) => Promise<unknown>
}

/** One connection, once the store has greeted. */
export function openStore(at: { host: string; port: number }): Promise<StoreConnection> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...at, timeout: 5000 })
    let greeted = false
    const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = []
    let lost: Error | undefined
    const fail = (error: Error): void => {
      lost ??= error
      socket.destroy()
      reject(error)
      for (const one of waiting.splice(0)) one.reject(error)
    }
    const ask = (line: string): Promise<string> =>
      new Promise((resolveAnswer, rejectAnswer) => {
        if (lost !== undefined) return rejectAnswer(lost)
        waiting.push({ resolve: resolveAnswer, reject: rejectAnswer })
        socket.write(`${line}\n`)
      })
    const get = async (key: string): Promise<unknown> => {
      const answer = await ask(`GET ${key}`)
      const [kind, ...rest] = answer.split(' ')
      if (kind !== 'VALUE') throw new Error(`store: ${answer}`)
      return JSON.parse(rest.join(' '))
    }
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
      if (line.startsWith('STORE ')) resolve({ socket, get })
      else fail(new Error(`store at ${at.host}:${at.port} greeted with ${JSON.stringify(line.slice(0, 40))}`))
    })
  })
}
