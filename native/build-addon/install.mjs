#!/usr/bin/env node
// The install step of a published add-on. The package brings one built for linux x64 with glibc; where that does not load
// (another processor or C library) one is compiled here, which takes g++ and a Node that came with its headers.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { addonFile, buildAddon } from './build-addon.mjs'

const dir = process.cwd()
const title = JSON.parse(fs.readFileSync('package.json', 'utf8')).name
const name = title.replace('@culvert/native-', '')
const file = addonFile(name, dir)

const loads = () => spawnSync(process.execPath, ['--eval', `require(${JSON.stringify(file)})`]).status === 0
// In a checkout the set-up builds with the pinned Node, which is not there yet when packages are installed.
const isCheckout = fs.existsSync(path.join(dir, '../../pnpm-workspace.yaml'))

if (!isCheckout && !loads()) {
  console.error(`${title}: no prebuilt add-on for ${process.platform} ${process.arch} here; compiling one (untested)`)
  try {
    await buildAddon(name, dir)
  } catch (error) {
    console.error(
      `${title}: could not be compiled (${error.message}); it needs Linux, g++ and the headers of ${process.version}`
    )
    process.exit(1)
  }
}
