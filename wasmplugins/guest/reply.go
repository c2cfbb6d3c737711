package guest

// encodeReply appends a reply: a code, and the payload or what is to be said of an error.
func encodeReply(b, payload []byte, err error) []byte {
	code := uint32(codeOK)
	if err != nil {
		code, payload = codeOf(err), []byte(err.Error())
	}
	b = append(b, byte(code), byte(code>>8), byte(code>>16), byte(code>>24))
	return append(b, payload...)
}
