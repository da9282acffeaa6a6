import { expect, it } from 'vitest'
import { parseSs } from './sockets.ts'

// Of iproute2 6.1, `ss -tinHO`, the ends of the lines cut.
const written = `ESTAB 0       137802          10.244.1.5:1532           10.244.2.7:15008 bbr wscale:10,10 rto:204 rtt:2.39/1.831
ESTAB 4102533 0       [::ffff:127.0.0.1]:15001 [::ffff:10.244.1.5]:52462 ts sack cubic wscale:10,10 rto:204
TIME-WAIT 0      0      [::ffff:10.244.2.7]:5201  [::ffff:10.244.1.5]:52478

`

it('finds ports and algorithm, with options before it or not', () => {
  expect(parseSs(written, new Set(['reno', 'bbr', 'cubic']))).toEqual([
    { localPort: 1532, peerPort: 15008, congestionControl: 'bbr' },
    { localPort: 15001, peerPort: 52462, congestionControl: 'cubic' }
  ])
})
