package main

// price is a list price of AWS.
type price struct {
	usd       float64
	per, page string
}

// priceDate is when the prices were written down: hold them against the pages before quoting them.
const priceDate = "2026-11"

// prices are list prices for us-east-1 without free tiers; other regions differ by a few per cent.
func prices() map[string]price {
	const cloudWatch, sqs, lambda = "https://aws.amazon.com/cloudwatch/pricing/", "https://aws.amazon.com/sqs/pricing/",
		"https://aws.amazon.com/lambda/pricing/"
	return map[string]price{
		"alarm":     {0.10, "metric of an alarm and month", cloudWatch},
		"dashboard": {3.00, "dashboard and month; three are free", cloudWatch},
		"metric":    {0.30, "custom metric and month, by the hour", cloudWatch},
		"logs":      {0.50, "GB of logs written", cloudWatch},
		"logs kept": {0.03, "GB of logs and month", cloudWatch},
		"queue":     {0.40, "million requests; the first million of a month is free", sqs},
		"requests":  {0.20, "million invocations", lambda},
		"compute":   {0.0000133334, "GB-second on arm64", lambda},
		"table":     {0.25, "GB and month; 25 GB are free", "https://aws.amazon.com/dynamodb/pricing/on-demand/"},
		"recovery":  {0.20, "GB and month of point-in-time recovery", "https://aws.amazon.com/dynamodb/pricing/on-demand/"},
		"bucket":    {0.023, "GB and month", "https://aws.amazon.com/s3/pricing/"},
		"trail": {
			2.00,
			"100,000 management events of a second trail; the first is free",
			"https://aws.amazon.com/cloudtrail/pricing/",
		},
		"cross-region": {
			1.00,
			"million events relayed; AWS's own events are free where they appear",
			"https://aws.amazon.com/eventbridge/pricing/",
		},
		"mail": {2.00, "100,000 mails; the first thousand of a month is free", "https://aws.amazon.com/sns/pricing/"},
	}
}
