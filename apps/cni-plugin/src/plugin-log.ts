import fs from 'node:fs'
import path from 'node:path'

export type LogLabels = Readonly<Record<string, string | number>>

/** Where a run's log lines go: standard error, the fallback file, the node agent (docs/spec/cni.md 2.8). */
export interface PluginLog {
  debug(message: string, labels?: LogLabels): void
  info(message: string, labels?: LogLabels): void
  warn(message: string, labels?: LogLabels): void
  error(message: string, labels?: LogLabels): void
  /** Hands the lines to the node agent, if it listens. Never fails. */
  flush(): Promise<void>
}

export interface PluginLogOptions {
  /** `plugin_log_level`; empty: info. */
  readonly level: string
  readonly runDir: string
  readonly stderr: (text: string) => void
  readonly now: () => Date
}

const levels = ['debug', 'info', 'warn', 'error']
const fileLimit = 10 * 1024 * 1024
const backupAge = 2 * 24 * 3600 * 1000
/** Milliseconds the node agent has to take the lines. */
const sendLimit = 1000

export function createPluginLog(options: PluginLogOptions): PluginLog {
  const { runDir, stderr, now } = options
  const level = options.level === '' ? 'info' : options.level
  // `fatal`, `none` and unknown words let nothing of ours through.
  const threshold = levels.includes(level) ? levels.indexOf(level) : levels.length
  const file = path.join(runDir, 'istio-cni.log')
  const socket = path.join(runDir, 'log.sock')
  const buffered: string[] | undefined = runDir !== '' && fs.existsSync(socket) ? [] : undefined

  const write = (level: string, message: string, labels: LogLabels = {}): void => {
    if (levels.indexOf(level) < threshold) return
    const line = `${JSON.stringify({ level, time: timestamp(now()), msg: message, ...labels })}\n`
    stderr(line)
    if (level !== 'debug' && runDir !== '') append(file, line, now)
    buffered?.push(line)
  }

  return {
    debug: (message, labels) => write('debug', message, labels),
    info: (message, labels) => write('info', message, labels),
    warn: (message, labels) => write('warn', message, labels),
    error: (message, labels) => write('error', message, labels),
    async flush() {
      if (buffered === undefined || buffered.length === 0) return
      try {
        const { post } = await import('./agent-event.ts')
        await post(socket, '/log', JSON.stringify(buffered.splice(0)), sendLimit)
      } catch {
        // The lines are on standard error and in the file.
      }
    }
  }
}

/** Logging must not fail an ADD: a full disk or a missing directory loses lines of the file only. */
function append(file: string, line: string, now: () => Date): void {
  const backup = `${file}.1`
  try {
    if ((fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0) + line.length > fileLimit) fs.renameSync(file, backup)
    const old = fs.statSync(backup, { throwIfNoEntry: false })
    if (old !== undefined && now().getTime() - old.mtimeMs > backupAge) fs.rmSync(backup, { force: true })
    fs.appendFileSync(file, line, { mode: 0o600 })
  } catch {}
}

/** Six decimals, as the node agent's own log has them. */
function timestamp(date: Date): string {
  return date.toISOString().replace('Z', '000Z')
}
