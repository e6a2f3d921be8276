// What all peers share: the mail, the pool of nodemailer, and the pace of the benchmark.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import nodemailer from "nodemailer";

const letter = (name) => readFileSync(new URL(`../letters/${name}`, import.meta.url), "utf8");

// Compiled once, as template engines do.
const compile = (source) => {
  const parts = source.split(/\{\{(\w+)\}\}/);
  return (vars) => parts.map((part, i) => (i % 2 ? vars[part] : part)).join("");
};

const html = compile(letter("plain.html"));
const text = compile(letter("plain.txt"));
const subject = compile("{{first_name}}, see you in March");

export const count = Number(process.argv[3]);
export const connections = 10;

// https://nodemailer.com/smtp/pooled and https://nodemailer.com/usage/bulk-mail
export const transport = nodemailer.createTransport({
  pool: true,
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  ignoreTLS: true,
  maxConnections: connections,
  maxMessages: Infinity,
});

export const person = (n) => ({ email: `p${n}@example.com`, name: `Ada Lovelace ${n}`, first_name: "Ada" });

export const send = (vars) =>
  transport.sendMail({
    from: "Meetup <hello@meetups.example>",
    to: { name: vars.name, address: vars.email },
    subject: subject(vars),
    text: text(vars),
    html: html(vars),
  });

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Says how far it is, and waits until the benchmark has noted its time.
export const reached = async (stage) => {
  process.stdout.write(`${stage}\n`);
  await lines.next();
};
