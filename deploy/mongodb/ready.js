// Health check of the MongoDB container: initiates the replica set on the first call, succeeds once it takes writes.
// The password comes from the environment, so that it is never on a command line.
const admin = connect("mongodb://127.0.0.1:27017/admin?directConnection=true");
admin.auth(process.env.MONGO_INITDB_ROOT_USERNAME, process.env.MONGO_INITDB_ROOT_PASSWORD);
if (!admin.hello().setName) {
  admin.runCommand({
    replSetInitiate: { _id: "chartvault", members: [{ _id: 0, host: "mongodb:27017" }] },
  });
}
quit(admin.hello().isWritablePrimary ? 0 : 1);
