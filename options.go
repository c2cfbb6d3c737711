package holdfast

import (
	"net/url"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"
)

// Options says how to open a database. The zero value is the default, and is
// what sql.Open does.
type Options struct {
	// Lock is the URL of the lock, or just its scheme: the parameter lock.
	Lock string

	// TTL is how long a lease outlives the silence of its holder: the parameter
	// ttl. It means nothing to a lock of the kernel.
	TTL time.Duration

	// Params are further parameters of a data source name, by name, such as verify.
	// They take the place of those of the same name that the data source name itself
	// carries.
	Params url.Values

	// Init is called with each new connection, after the _pragma parameters and
	// before its first use: for functions, collations and the like.
	Init func(*sqlite3.Conn) error

	// FS is where the files are; nil is the file system of the machine. Another
	// one needs Lock, and is a world of its own: a database that is opened by the
	// same path elsewhere in this program is taken for another process's. The parameter fs
	// of a data source name chooses one by a URL; both together are an error.
	FS afero.Fs
}

// source returns the data source name with the options in it.
func (o Options) source(name string) (source, error) {
	src, err := parseSource(name)
	if err != nil {
		return src, err
	}
	for key, values := range o.Params {
		src.params[key] = values
	}
	if o.Lock != "" {
		src.params.Set("lock", o.Lock)
	}
	if o.TTL != 0 {
		src.params.Set("ttl", o.TTL.String())
	}
	return src, nil
}
