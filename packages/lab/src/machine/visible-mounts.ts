/**
 * Directories that a container's root gets from elsewhere or must not see. /run holds sockets and pid files of the
 * machine's own daemons, /boot and /snap nothing that a program needs.
 */
const hidden = ['/proc', '/sys', '/dev', '/run', '/var/run', '/boot', '/snap', '/var/lib/docker', '/var/lib/containerd']

const within = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`)

/**
 * Mount points of the machine that a root assembled over `/` lacks, because an overlay does not look through mounts.
 * Nested ones are left out: they come along with the mount above them.
 */
export function visibleMounts(mountinfo: string): string[] {
  const found = new Set<string>()
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ')
    const point = left?.split(' ')[4]
    if (point === undefined || right === undefined || point === '/') continue
    // Binding an autofs mount would make it mount.
    if (right.startsWith('autofs ')) continue
    const path = unescapeOctal(point)
    if (!hidden.some(directory => within(path, directory))) found.add(path)
  }
  const paths = [...found].sort()
  return paths.filter(path => !paths.some(other => other !== path && within(path, other)))
}

/** The kernel writes space, tab, line feed and backslash as octal. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
