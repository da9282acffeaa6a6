import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'

/** Content types of TLS records (RFC 8446 5.1). */
export const CONTENT = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const

export interface Plaintext {
  readonly type: number
  readonly content: Buffer
}

/** One direction's records of TLS 1.3, as the RFC describes them and not as the engine does. */
export class RecordKeys {
  readonly #cipher: 'aes-128-gcm' | 'aes-256-gcm'
  readonly #hash: 'sha256' | 'sha384'
  #secret: Buffer
  #key!: Buffer
  #iv!: Buffer
  #sequence = 0n

  constructor(suite: string, secret: Buffer) {
    const small = suite === 'TLS_AES_128_GCM_SHA256'
    this.#cipher = small ? 'aes-128-gcm' : 'aes-256-gcm'
    this.#hash = small ? 'sha256' : 'sha384'
    this.#secret = secret
    this.#use()
  }

  /** The next generation of keys (RFC 8446 7.2). */
  update(): void {
    this.#secret = this.#expand('traffic upd', this.#secret.length)
    this.#use()
  }

  seal(type: number, content: Uint8Array, padding = 0): Buffer {
    return this.sealInner(Buffer.concat([content, Buffer.of(type), Buffer.alloc(padding)]))
  }

  /** Whatever the inner plaintext is. */
  sealInner(inner: Buffer): Buffer {
    const header = Buffer.of(23, 3, 3, 0, 0)
    header.writeUInt16BE(inner.length + 16, 3)
    const cipher = createCipheriv(this.#cipher, this.#key, this.#nonce()).setAAD(header)
    return Buffer.concat([header, cipher.update(inner), cipher.final(), cipher.getAuthTag()])
  }

  /** A whole record with its header; throws when it is not the peer's next. */
  open(record: Buffer): Plaintext {
    const decipher = createDecipheriv(this.#cipher, this.#key, this.#nonce())
    decipher.setAAD(record.subarray(0, 5)).setAuthTag(record.subarray(-16))
    const inner = Buffer.concat([decipher.update(record.subarray(5, -16)), decipher.final()])
    const end = inner.findLastIndex(byte => byte !== 0)
    return { type: inner[end] ?? 0, content: inner.subarray(0, end) }
  }

  #use(): void {
    this.#key = this.#expand('key', this.#cipher === 'aes-128-gcm' ? 16 : 32)
    this.#iv = this.#expand('iv', 12)
    this.#sequence = 0n
  }

  #nonce(): Buffer {
    const nonce = Buffer.from(this.#iv)
    nonce.writeBigUInt64BE(nonce.readBigUInt64BE(4) ^ this.#sequence++, 4)
    return nonce
  }

  #expand(label: string, length: number): Buffer {
    const text = `tls13 ${label}`
    const info = Buffer.concat([Buffer.of(0, length, text.length), Buffer.from(text), Buffer.of(0, 1)])
    return createHmac(this.#hash, this.#secret).update(info).digest().subarray(0, length)
  }
}
