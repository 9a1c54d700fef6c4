export { type CallOptions, type Client, type ClientOptions, createClient, NoAnswerError, type PlatformProblem, ProblemError } from './client.ts'
