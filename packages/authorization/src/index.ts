/**
 * L4 authorization: policies to a verdict for one connection, with the reason.
 *
 *     const authorizer = createAuthorizer(policies, { onUnknownPolicy: key => log.warn(`skipping unknown policy ${key}`) })
 *     const verdict = authorizer.evaluate(workload, { source, destination, identity })
 *     if (!verdict.allowed) log.error(`connection closed due to policy rejection: ${verdict.reason}`)
 *
 * Nothing here fails: every policy that the store holds can be evaluated, so the package has no errors.
 */
export {
  type AuthorizationTrace,
  type Authorizer,
  type AuthorizerOptions,
  createAuthorizer,
  type Evaluation,
  type EvaluationMessage,
  type JudgedWorkload,
  type PolicyTrace,
  type Verdict
} from './authorizer.ts'
export type { Connection } from './connection-facts.ts'
export type { RuleTrace } from './trace-rules.ts'
