/** A start-up failure that the operator can mend: the message names the setting, its value and what is wrong with it. */
export class SettingError extends Error {
  override readonly name = 'SettingError'
}

/** docs/spec/zds.md 5. */
export function invalidVariable(name: string, value: string, reason: string): SettingError {
  return new SettingError(`invalid env var ${name}=${value} (${reason})`)
}
