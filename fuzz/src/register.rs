//! The register.

use bisonflow_riis::{Register, Standing};

/// Bytes as a register: what is taken for one answers for any key.
pub fn register(bytes: &[u8]) {
    let Ok(register) = Register::read("fuzz", bytes) else { return };
    for standing in Standing::ALL {
        for key in [None, Some(""), Some("0"), Some("1"), Some("5290149"), Some("7G3CG")] {
            register.assess_at(standing, key, None, Some("1"));
            register.assess_at(standing, None, key, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_of_register() {
        let seeds: [&[u8]; 7] = [
            b"",
            b"\xef\xbb\xbf",
            b"locality,scientificName,Introduced or Invasive,GBIF taxonKey,occurrenceID\n\
              L48,Aus bus,Invasive,1,row-1\nAK,Aus cus,Introduced,5290149,row-2\n",
            b"LOCALITY,ScientificName,degreeOfEstablishment,establishmentMeans,GBIF_taxonKey,occurrenceID\r\nHI,\"A, b\",x,introduced,0,\r\n",
            b"locality,scientificName,Introduced or Invasive,GBIF taxonKey,occurrenceID\n\"L48,Aus\n",
            b"locality,scientificName,Introduced or Invasive,GBIF taxonKey,occurrenceID,gbif_res_taxonkey,checklist\n\
              L48,Aus bus,widespread invasive,1,row-1,7G3CG,col\nL48,Aus bus,Established,1,row-1,7G3CG,backbone\n",
            b"a,b\n\xff\xfe,1\n",
        ];
        seeds.into_iter().for_each(register);
    }
}
