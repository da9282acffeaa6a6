/**
 * An import statement would read every export of `node:http`, and so load the WebSocket client behind one of them: 6 MB
 * of memory, a tenth of the node proxy's.
 */
export const createServer: typeof import('node:http').createServer = process.getBuiltinModule('node:http').createServer
