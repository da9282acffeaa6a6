// As process 1 of a container a program only gets the signals it asks for.
process.on('SIGTERM', () => process.exit(0))
setInterval(() => {}, 1 << 30)

export {}
