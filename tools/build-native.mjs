// Compiles the add-ons of native/* whose sources changed (docs: CONTRIBUTING.md, "change an add-on").
// Without arguments: every add-on that is a package of the workspace; otherwise the ones named.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildAddon } from '../native/build-addon/build-addon.mjs'

const native = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'native')
const named = process.argv.slice(2)
const names = fs.readdirSync(native).filter(name => {
  return named.length > 0 ? named.includes(name) : fs.existsSync(path.join(native, name, 'package.json'))
})
for (const name of names) {
  try {
    await buildAddon(name, path.join(native, name))
  } catch (error) {
    console.error(`culvert: native/${name} does not compile (${error.message})`)
    process.exit(1)
  }
}
