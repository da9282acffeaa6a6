/**
 * One suite for every data path; a test file calls it with a factory.
 *
 *     dataPathConformance('mine', () => createMyDataPath())
 */
export { dataPathConformance, dataPathIntegration } from './data-path-conformance.ts'
