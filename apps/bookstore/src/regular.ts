import { openStore, type StoreConnection } from './store-client.ts'

const pauseMs = 250

/**
 * A regular of the store: opens one connection, keeps using it, and says on stdout when that ends and a new one works.
 * `regular: connection 1 answers`, `regular: connection 1 lost after 17 answers: …`
 */
export async function startRegular({ host, port }: { host: string; port: number }): Promise<void> {
  for (let number = 1; ; ) {
    let connection: StoreConnection | undefined
    let answers = 0
    try {
      connection = await openStore({ host, port })
      for (;;) {
        await connection.get('ratings/0')
        if (answers++ === 0) console.log(`regular: connection ${number} answers`)
        await pause()
      }
    } catch (error) {
      if (answers > 0)
        console.log(`regular: connection ${number++} lost after ${answers} answers: ${(error as Error).message}`)
      connection?.socket.destroy()
      await pause()
    }
  }
}

const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve, pauseMs))
