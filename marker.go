package holdfast

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A marker lies beside a database that is used with a lease, and says with which.
type marker struct {
	Format   int    `json:"holdfast"`
	Register string `json:"register"`
	Lock     string `json:"lock"`
}

const markerSuffix = ".holdfast"

// readMarker returns the marker of a database, or nil if there is none.
func readMarker(path string) (*marker, error) {
	text, err := os.ReadFile(path + markerSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := new(marker)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%q: %w", path+markerSuffix, err)
	}
	return m, nil
}

func writeMarker(path string, m marker) error {
	text, err := json.Marshal(m)
	if err == nil {
		err = os.WriteFile(path+markerSuffix, append(text, '\n'), 0o666)
	}
	return err
}
