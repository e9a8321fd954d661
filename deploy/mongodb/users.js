// Runs once, on an empty volume: the account of the server, confined to its two databases.
const databases = ["chartvault", "chartvault_keys"];
db.getSiblingDB("admin").createUser({
  user: "chartvault",
  pwd: process.env.MONGODB_PASSWORD,
  roles: databases.flatMap((name) => [
    { role: "readWrite", db: name },
    { role: "dbAdmin", db: name },
  ]),
});
