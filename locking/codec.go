package locking

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxRecord is the size in bytes up to which a record is written or read.
const MaxRecord = 32 << 10

// roomToEnter is the size up to which a record takes one more process: about fifty. The
// rest is for those who are in: a renewal has longer numbers and times than the one
// before, and a takeover names who expired.
const roomToEnter = MaxRecord - MaxRecord/8

// Encode returns the record as indented JSON, ending in a newline.
// It fails if the record is larger than [MaxRecord].
func (r *Record) Encode() ([]byte, error) { return r.encode(MaxRecord) }

func (r *Record) encode(limit int) ([]byte, error) {
	value, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("locking: encode record: %w", err)
	}
	if len(value) >= limit {
		return nil, fmt.Errorf("locking: a lock record of %d entries is too large: close the database in some processes", len(r.Entries))
	}
	return append(value, '\n'), nil
}

// adoptRemedy is what to do about a record that is damaged.
const adoptRemedy = "if nobody has the database open, run holdfast adopt"

// errNewer: a newer version of this package wrote the record.
var errNewer = errors.New("was written by a newer holdfast")

// DecodeRecord reads what [Record.Encode] wrote. A nil or empty value is the
// record of a register that was never written. Everything else that is not
// exactly a valid record is [ErrRecord], with what is wrong and what to do.
func DecodeRecord(value []byte) (Record, error) {
	if len(value) == 0 {
		return Record{Format: RecordFormat}, nil
	}
	if err := checkFormat(value); err != nil {
		return Record{}, err
	}
	if len(value) > MaxRecord {
		return Record{}, fmt.Errorf("%w: %d bytes are more than the %d of any record; %s", ErrRecord, len(value), MaxRecord, adoptRemedy)
	}
	var r Record
	d := json.NewDecoder(bytes.NewReader(value))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Record{}, fmt.Errorf("%w: %w; %s", ErrRecord, err, adoptRemedy)
	}
	if err := r.validate(); err != nil {
		return Record{}, fmt.Errorf("%w: %w; %s", ErrRecord, err, adoptRemedy)
	}
	return r, nil
}

// checkFormat sees to it that value is one JSON object and nothing more, and looks
// at the format alone, so that a newer record is called that and not malformed.
func checkFormat(value []byte) error {
	var head struct {
		Format *int `json:"holdfast"`
	}
	err := json.Unmarshal(value, &head)
	switch {
	case err != nil && truncated(err):
		return fmt.Errorf("%w: it is truncated after %d bytes; %s", ErrRecord, len(value), adoptRemedy)
	case err != nil || head.Format == nil:
		return fmt.Errorf("%w: it was not written by holdfast; if this is no lock of another program, and nobody has the database open, run holdfast adopt", ErrRecord)
	case *head.Format > RecordFormat:
		return fmt.Errorf("%w: format %d %w (this one knows %d); upgrade this program", ErrRecord, *head.Format, errNewer, RecordFormat)
	case *head.Format < 1:
		return fmt.Errorf("%w: format %d does not exist; %s", ErrRecord, *head.Format, adoptRemedy)
	}
	return nil
}

func truncated(err error) bool {
	var syntax *json.SyntaxError
	return errors.As(err, &syntax) && strings.Contains(syntax.Error(), "unexpected end")
}

// validate refuses a record that no sequence of steps leads to, as far as its
// shape tells.
func (r *Record) validate() error {
	if err := r.validateFiles(); err != nil {
		return err
	}
	seen := make(map[string]bool, len(r.Entries))
	writers, shared, exclusive := 0, 0, 0
	for i := range r.Entries {
		e := &r.Entries[i]
		switch {
		case e.Holder.ID == "":
			return errors.New("a holder has no id")
		case seen[e.Holder.ID]:
			return fmt.Errorf("holder %s is in twice", e.Holder.ID)
		case e.TTL <= 0:
			return fmt.Errorf("holder %s has no ttl", e.Holder.ID)
		case e.Level == None && !e.Waits():
			return fmt.Errorf("holder %s neither holds nor waits", e.Holder.ID)
		case e.Wants != None && !e.Waits():
			return fmt.Errorf("holder %s waits for %v and holds %v", e.Holder.ID, e.Wants, e.Level)
		}
		seen[e.Holder.ID] = true
		switch {
		case e.Level == Exclusive:
			exclusive++
		case e.Level.Writing():
			writers++
		case e.Level == Shared:
			shared++
		}
	}
	if exclusive+writers > 1 || exclusive > 0 && shared > 0 {
		return errors.New("two holders exclude each other")
	}
	return nil
}

// validateFiles refuses names that no takeover gives: in particular such as lie
// outside the directory of the database.
func (r *Record) validateFiles() error {
	if r.Database != "" {
		if err := checkName(r.Database); err != nil {
			return fmt.Errorf("database %q: %w", r.Database, err)
		}
	}
	names := slices.Clone(r.Old)
	if r.File != "" {
		names = append(names, r.File)
	}
	if t := r.Takeover; t != nil {
		if i := r.index(t.By); t.By != "" && (i < 0 || r.Entries[i].Level != Exclusive) {
			return errors.New("whoever copies the database does not hold it")
		}
		if (t.By == "") != (t.To == "") {
			return errors.New("a copy of the database has no holder or no name")
		}
		if t.To != "" && t.To != r.Database {
			names = append(names, t.To)
		}
	}
	for _, name := range names {
		if database, epoch, ok := ParseFileName(name); !ok || database != r.Database || epoch > r.Epoch {
			return fmt.Errorf("file %q is not a copy of the database %q up to epoch %d", name, r.Database, r.Epoch)
		}
	}
	return nil
}
