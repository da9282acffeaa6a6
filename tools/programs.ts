import { spawn } from 'node:child_process'

export interface Finished {
  readonly status: number | string
  /** Standard output and standard error in the order in which they came. */
  readonly output: string
  readonly seconds: number
}

/** Runs a program to its end; `echo` passes its output on as it comes. */
export async function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly echo?: (line: string) => boolean } = {}
): Promise<Finished> {
  const begun = performance.now()
  const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let line = ''
  const take = (text: string): void => {
    output += text
    const lines = (line + text).split('\n')
    line = lines.pop()!
    for (const one of lines) if (options.echo?.(one)) console.log(`  ${one}`)
  }
  child.stdout.setEncoding('utf8').on('data', take)
  child.stderr.setEncoding('utf8').on('data', take)
  const status = await new Promise<number | string>(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })
  return { status, output, seconds: (performance.now() - begun) / 1000 }
}

/** Calls `work` for every item, so many at a time. */
export async function inParallel<Item>(
  items: readonly Item[],
  count: number,
  work: (item: Item) => Promise<void>
): Promise<void> {
  const left = [...items]
  const next = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: count }, next))
}

export const tail = (text: string, lines: number): string => text.trimEnd().split('\n').slice(-lines).join('\n')
