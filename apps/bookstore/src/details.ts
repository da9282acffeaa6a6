import { serveJson } from './http.ts'

/** What a look-out between the nodes must not see once the mesh is on. */
const secretIsbn = '978-0-CULVERT-0'

export function startDetails({ port }: { port: number }): void {
  serveJson('details', port, {
    details: id => ({ id, author: 'W. Shakespeare', pages: 200, publisher: 'Culvert Press', isbn: secretIsbn }),
    health: () => ({ status: 'details is well' })
  })
}
