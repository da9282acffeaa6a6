import type { Fields } from './objects.ts'

export interface StatusCause {
  reason?: string
  message?: string
  field?: string
}

export interface Status {
  kind: 'Status'
  apiVersion: 'v1'
  metadata: Fields
  status: 'Success' | 'Failure'
  message?: string
  reason?: string
  details?: {
    name?: string
    group?: string
    kind?: string
    uid?: string
    causes?: StatusCause[]
    retryAfterSeconds?: number
  }
  code: number
}

/** Which thing an error speaks about: `pods "x"` or, outside the core group, `deployments.apps "x"`. */
export interface Subject {
  readonly group: string
  readonly plural: string
}

/** A refusal, carrying the Status object the client is sent. */
export class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly status: Status

  constructor(status: Status, options?: ErrorOptions) {
    super(status.message, options)
    this.status = status
  }

  get code(): number {
    return this.status.code
  }
}

function failure(code: number, reason: string, message: string, details?: Status['details']): StatusError {
  return new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code
  })
}

const qualified = ({ group, plural }: Subject): string => (group === '' ? plural : `${plural}.${group}`)

const about = ({ group, plural }: Subject, name: string): NonNullable<Status['details']> => ({
  ...(name === '' ? {} : { name }),
  ...(group === '' ? {} : { group }),
  kind: plural
})

export function success(subject: Subject, name: string, uid?: string): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { ...about(subject, name), ...(uid === undefined ? {} : { uid }) },
    code: 200
  }
}

export const notFound = (subject: Subject, name: string): StatusError =>
  failure(404, 'NotFound', `${qualified(subject)} "${name}" not found`, about(subject, name))

export const noSuchPath = (): StatusError =>
  failure(404, 'NotFound', 'the server could not find the requested resource', {})

export const alreadyExists = (subject: Subject, name: string): StatusError =>
  failure(409, 'AlreadyExists', `${qualified(subject)} "${name}" already exists`, about(subject, name))

export const conflict = (subject: Subject, name: string, why: string): StatusError =>
  failure(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(subject)} "${name}": ${why}`,
    about(subject, name)
  )

export const objectModified =
  'the object has been modified; please apply your changes to the latest version and try again'

export const applyConflict = (message: string, causes: StatusCause[]): StatusError =>
  failure(409, 'Conflict', message, { causes })

export const forbidden = (subject: Subject, name: string, why: string, causes?: StatusCause[]): StatusError =>
  failure(403, 'Forbidden', `${qualified(subject)} "${name}" is forbidden: ${why}`, {
    ...about(subject, name),
    ...(causes === undefined ? {} : { causes })
  })

export const badRequest = (message: string): StatusError => failure(400, 'BadRequest', message)

export const unauthorized = (): StatusError => failure(401, 'Unauthorized', 'Unauthorized')

export const methodNotAllowed = (): StatusError =>
  failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {})

export const notAcceptable = (accepted: readonly string[]): StatusError =>
  failure(406, 'NotAcceptable', `only the following media types are accepted: ${accepted.join(', ')}`)

export const unsupportedMediaType = (accepted: readonly string[]): StatusError =>
  failure(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`
  )

export const tooLarge = (limit: number): StatusError =>
  failure(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`)

export const expired = (message: string): StatusError => failure(410, 'Expired', message)

/** The client asks for a version this server has not reached: as Kubernetes, a timeout to be tried again. */
export const versionAhead = (asked: number, current: number): StatusError =>
  failure(504, 'Timeout', `Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1
  })

export const internalError = (why: string): StatusError =>
  failure(500, 'InternalError', `Internal error occurred: ${why}`, { causes: [{ message: why }] })

export interface FieldError {
  readonly reason:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueDuplicate'
    | 'FieldValueNotFound'
    | 'FieldValueNotSupported'
    | 'FieldValueForbidden'
    | 'FieldValueTooLong'
    | 'FieldValueTypeInvalid'
  readonly field: string
  readonly message: string
}

/** 422, worded as Kubernetes words one or several field errors. */
export function invalid(
  { group, kind }: { group: string; kind: string },
  name: string,
  errors: readonly FieldError[]
): StatusError {
  const texts = errors.map(error => `${error.field}: ${error.message}`)
  const text = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
  return failure(422, 'Invalid', `${group === '' ? kind : `${kind}.${group}`} "${name}" is invalid: ${text}`, {
    name,
    ...(group === '' ? {} : { group }),
    kind,
    causes: errors.map(({ reason, message, field }) => ({ reason, message, field }))
  })
}
