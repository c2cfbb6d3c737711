package workload

// StockTags and StockLink are the build tags and the linker flags of a worker that has
// the driver [Mattn] as well, for CGO_ENABLED=1: static, since it runs on machines with
// nothing else. Both SQLite drivers would register the name sqlite3, so one is given
// another.
const (
	StockTags = "mattn,sqlite_omit_load_extension,netgo,osusergo"
	StockLink = "-linkmode external -extldflags -static -X github.com/mattn/go-sqlite3.driverName=mattn"
)

// RemoteTag is the build tag of a worker that has the locks which a server keeps.
const RemoteTag = "remote"
