export { type CallOptions, type Client, type ClientOptions, createClient, type PlatformProblem, ProblemError } from './client.ts'
